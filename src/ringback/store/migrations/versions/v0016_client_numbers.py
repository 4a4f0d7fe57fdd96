"""Which SIP clients may call telephone numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("sip_clients", sa.Column("dials_numbers", sa.Boolean, nullable=False, server_default=sa.false()))
