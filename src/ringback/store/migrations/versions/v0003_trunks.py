"""Trunks, the telephone numbers that ring rooms, and the trunk of a call."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("calls", sa.Column("trunk", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "trunks",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
    )
    op.create_table(
        "numbers",
        sa.Column("number", sa.String(32), primary_key=True),
        sa.Column("domain", sa.String(36), sa.ForeignKey("domains.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
