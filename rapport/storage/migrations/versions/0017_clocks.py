"""By which clock the last turn to send was given"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("relays", sa.Column("given_at", UtcInstant(timezone=True), nullable=True))
