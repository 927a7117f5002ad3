"""Pages that the webhook took, beside those that were to go out"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("ALTER TABLE case_assignments RENAME COLUMN paged TO to_page")
    op.add_column("case_assignments", sa.Column("paged_at", UtcInstant(timezone=True), nullable=True))
