"""The phase that a task was in when its workflow was ended from outside"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("gone_in", sa.String(), nullable=True))
    op.create_index("tasks_by_gone_in", "tasks", ["gone_in"])
