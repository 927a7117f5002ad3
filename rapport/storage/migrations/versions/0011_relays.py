"""What keeps a mailbox from sending, and how fast it may: for all processes together"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    relays = op.create_table(
        "relays",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.bulk_insert(relays, [{"name": "mail"}])
    op.add_column("messages", sa.Column("turn_at", sa.DateTime(timezone=True), nullable=True))
