"""A telephone may be in several meetings one after the other, as the same participant: a stay is of one meeting."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

COLUMNS = "id, domain, room, meeting, user_id, user_name, participant_type, joined_at, left_at"


def upgrade() -> None:
    op.create_table(
        "stays",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("domain", sa.String(36), nullable=False),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("meeting", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("user_name", sa.Text),
        sa.Column("participant_type", sa.String(32)),
        sa.Column("joined_at", sa.Float, nullable=False),
        sa.Column("left_at", sa.Float),
        sa.PrimaryKeyConstraint("id", "meeting"),
    )
    op.execute(f"INSERT INTO stays ({COLUMNS}) SELECT {COLUMNS} FROM participants")
    op.drop_table("participants")
    op.rename_table("stays", "participants")
    op.create_index("ix_participants_meeting", "participants", ["meeting"])
    op.create_index("ix_participants_left_at", "participants", ["left_at"])
