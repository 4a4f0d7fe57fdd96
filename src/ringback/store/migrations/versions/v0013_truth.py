"""What calls and stays count for in usage, the numbers that were called and shown, and what happened in a call."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("calls", sa.Column("called", sa.Text, nullable=False, server_default=""))
    op.add_column("calls", sa.Column("caller", sa.Text, nullable=False, server_default=""))
    op.add_column("calls", sa.Column("timeline", sa.Text, nullable=False, server_default="[]"))
    op.add_column("calls", sa.Column("fell_back", sa.Boolean, nullable=False, server_default=sa.sql.false()))
    op.add_column("calls", sa.Column("day", sa.Integer))
    op.add_column("calls", sa.Column("talked_ms", sa.Integer, nullable=False, server_default="0"))
    op.add_column("calls", sa.Column("transcoded_ms", sa.Integer, nullable=False, server_default="0"))
    op.add_column("participants", sa.Column("day", sa.Integer))
    op.add_column("participants", sa.Column("stayed_ms", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_calls_domain_day", "calls", ["domain", "day"])
    op.create_index("ix_participants_domain_day", "participants", ["domain", "day"])
    # CAST to an integer cuts in SQLite and rounds in PostgreSQL, so a day may be one too many.
    for table, begin, end, total in (
        ("calls", "answered_at", "ended_at", "talked_ms"),
        ("participants", "joined_at", "left_at", "stayed_ms"),
    ):
        op.execute(f"UPDATE {table} SET day = CAST({end} / 86400 AS INTEGER) WHERE {end} IS NOT NULL")
        op.execute(f"UPDATE {table} SET day = day - 1 WHERE day * 86400.0 > {end}")
        op.execute(
            f"UPDATE {table} SET {total} = CAST(({end} - {begin}) * 1000 AS INTEGER) "
            f"WHERE {end} > {begin} AND {begin} IS NOT NULL"
        )
