"""Which support case a tech review came out of"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("tech_reviews", sa.Column("from_case", sa.String(), nullable=True))
    op.create_index("tech_reviews_by_case", "tech_reviews", ["from_case"])
