"""For how long relays had faults that are over, and of which kind the attempts were that one has missed"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("relays", sa.Column("missed_kind", sa.String(), nullable=True))
    op.create_table(
        "relay_faults",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("since", UtcInstant(timezone=True), primary_key=True),
        sa.Column("until", UtcInstant(timezone=True), nullable=False),
    )
