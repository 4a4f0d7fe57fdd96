"""Meetings, participants, calls, the outbox of events, idempotency keys and the boots of nodes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("node", sa.String(64), primary_key=True),
        sa.Column("epoch", sa.Integer, nullable=False),
    )
    op.create_table(
        "meetings",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("domain", sa.String(36), nullable=False),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("max_participants", sa.Integer, nullable=False),
        sa.Index("ix_meetings_domain_started_at", "domain", "started_at"),
        sa.Index("ix_meetings_ended_at", "ended_at"),
    )
    op.create_table(
        "participants",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("domain", sa.String(36), nullable=False),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("meeting", sa.String(64), nullable=False, index=True),
        sa.Column("user_id", sa.Text),
        sa.Column("user_name", sa.Text),
        sa.Column("participant_type", sa.String(32)),
        sa.Column("joined_at", sa.Float, nullable=False),
        sa.Column("left_at", sa.Float, index=True),
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("domain", sa.String(36), nullable=False),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("meeting", sa.String(64), nullable=False, index=True),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("remote", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("sip_call_id", sa.Text, nullable=False),
        sa.Column("media", sa.Text, nullable=False),
        sa.Column("codec", sa.Text, nullable=False),
        sa.Column("ringing_at", sa.Float),
        sa.Column("answered_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("ending", sa.String(32)),
        sa.Column("end", sa.Text),
        sa.Column("dialog", sa.Text),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("request", sa.Text, nullable=False),
        sa.Index("ix_calls_domain_created_at", "domain", "created_at"),
        sa.Index("ix_calls_ended_at", "ended_at"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("domain", sa.String(36), primary_key=True),
        sa.Column("key", sa.String(256), primary_key=True),
        sa.Column("call", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False, index=True),
    )
    op.create_table(
        "events",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("domain", sa.String(36), nullable=False),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("meeting", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False, index=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("recipients", sa.Text),
        sa.UniqueConstraint("meeting", "epoch", "sequence"),
        sqlite_autoincrement=True,
    )
