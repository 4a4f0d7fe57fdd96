"""Transfers have rows, and commands that are repeated under an idempotency key are carried out once."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "commands",
        sa.Column("domain", sa.String(36), primary_key=True),
        sa.Column("key", sa.String(256), primary_key=True),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index("ix_commands_created_at", "commands", ["created_at"])
    op.create_table(
        "transfers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("domain", sa.String(36), nullable=False),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("meeting", sa.String(64), nullable=False),
        sa.Column("call", sa.String(64), nullable=False),
        sa.Column("verb", sa.String(16), nullable=False),
        sa.Column("to", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("remote", sa.Text, nullable=False),
        sa.Column("leg", sa.String(64), nullable=False),
        sa.Column("left", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("refer_status", sa.Integer),
        sa.Column("notify_status", sa.Integer),
        sa.Column("ended_at", sa.Float),
    )
    op.create_index("ix_transfers_call", "transfers", ["call"])
    op.create_index("ix_transfers_ended_at", "transfers", ["ended_at"])
