"""Numbers that can be bought, what calls cost, who may spend how much, and what was refused."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0013"


def upgrade() -> None:
    _numbers()
    op.create_table(
        "paid_legs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("domain", sa.String(36), nullable=False),
        sa.Column("asker_kind", sa.String(16), nullable=False),
        sa.Column("asker_id", sa.String(64), nullable=False),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("made_by", sa.String(16), nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("trunk", sa.Text, nullable=False),
        sa.Column("consent", sa.Text, nullable=False),
        sa.Column("call", sa.String(64), nullable=False),
        sa.Column("per_minute", sa.Float, nullable=False),
        sa.Column("per_call", sa.Float, nullable=False),
        sa.Column("began_at", sa.Float, nullable=False, index=True),
        sa.Column("ended_at", sa.Float),
        sa.Column("seconds", sa.Float),
        sa.Column("cost", sa.Float),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.Float, nullable=False, index=True),
        sa.Column("domain", sa.String(36), nullable=False),
        sa.Column("asker_kind", sa.String(16), nullable=False),
        sa.Column("asker_id", sa.String(64), nullable=False),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("made_by", sa.String(16), nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("info", sa.Text, nullable=False),
        sa.Column("unseen", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_domain", "audit", ["domain", "number"])
    op.create_table(
        "dialout_policies",
        sa.Column("domain", sa.String(36), sa.ForeignKey("domains.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
    )


def _numbers() -> None:
    """A number may be nobody's yet, ring no room, and belong to a trunk."""
    op.create_table(
        "phone_numbers",
        sa.Column("number", sa.String(32), primary_key=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("domain", sa.String(36), sa.ForeignKey("domains.id", ondelete="CASCADE")),
        sa.Column("room", sa.String(128), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("trunk", sa.Text, nullable=False),
        sa.Column("vendor", sa.String(64), nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("city", sa.Text, nullable=False),
    )
    op.create_index("ix_phone_numbers_domain", "phone_numbers", ["domain"])
    rows = op.get_bind().execute(sa.text("SELECT number, domain, room, created_at FROM numbers")).all()
    for number, domain, room, created_at in rows:
        op.get_bind().execute(
            sa.text(
                "INSERT INTO phone_numbers (number, id, domain, room, created_at, name, trunk, vendor, region, city)"
                " VALUES (:number, :id, :domain, :room, :created_at, '', '', '', '', '')"
            ),
            {"number": number, "id": str(uuid.uuid4()), "domain": domain, "room": room, "created_at": created_at},
        )
    op.drop_table("numbers")
