"""Which codec a call's pictures were in."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("calls", sa.Column("video_codec", sa.Text, nullable=False, server_default=""))
