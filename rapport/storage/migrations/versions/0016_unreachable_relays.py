"""Which attempts a relay has missed, what the settings are called that lead to it, and what was sent since when"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("relays", sa.Column("fix", sa.String(), nullable=True))
    op.add_column("relays", sa.Column("missed", sa.Integer(), nullable=True))
    op.add_column("relays", sa.Column("missed_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("relays", sa.Column("missed_last", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("messages_by_state", "messages")
    op.create_index("messages_by_state", "messages", ["state", "settled_at"])
