"""Replies to a time poll that came too late, or may have, until somebody is asked to answer them"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "late_replies",
        sa.Column("vote", sa.String(), primary_key=True),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("voter", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("slots", sa.JSON(), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
    )
