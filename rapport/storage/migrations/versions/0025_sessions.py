"""Sessions on the server, and who has asked for links to sign in"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0025"
down_revision = "0021"


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("member", sa.String(), sa.ForeignKey("members.id"), nullable=True),
        sa.Column("token", sa.String(), sa.ForeignKey("tokens.name"), nullable=True),
        sa.Column("expires_at", UtcInstant(timezone=True), nullable=False),
    )
    op.create_index("submissions_by_actor", "submissions", ["actor", "at"])
