"""What a call sounded like, with its row."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("calls", sa.Column("sound", sa.Text, nullable=False, server_default="{}"))
