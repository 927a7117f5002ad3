"""Lists of reviews begin with what is overdue"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_index("tech_reviews_by_overdue", "tech_reviews", ["overdue", "number"])
