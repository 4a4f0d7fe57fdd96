"""Dial-in by number: codes of rooms, and what happens to the callers of numbers and static addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("rooms", sa.Column("dialin_code", sa.String(16)))
    op.create_index("ix_rooms_dialin_code", "rooms", ["dialin_code"], unique=True)
    op.create_table(
        "dialin_configs",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("domain", sa.String(36), sa.ForeignKey("domains.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("phone_number", sa.String(32), unique=True),
        sa.Column("address_user", sa.String(64), unique=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
