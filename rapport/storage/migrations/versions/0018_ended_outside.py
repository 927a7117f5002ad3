"""Workflows that were ended from outside, and which of them somebody has left so"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "ended_outside",
        sa.Column("workflow_id", sa.String(), primary_key=True),
        sa.Column("since", UtcInstant(timezone=True), nullable=False),
        sa.Column("left_at", UtcInstant(timezone=True), nullable=True),
    )
