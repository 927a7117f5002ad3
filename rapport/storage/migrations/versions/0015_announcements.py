"""What the review channel is to be told is on record before anybody tells it"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    with op.batch_alter_table("announcements") as batch:
        batch.add_column(sa.Column("submission", sa.String(), nullable=True))
        batch.add_column(sa.Column("option", sa.String(), nullable=True))
        batch.add_column(sa.Column("happened_at", UtcInstant(timezone=True), nullable=True))
        batch.add_column(sa.Column("position", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("unmailed", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("ended_at", UtcInstant(timezone=True), nullable=True))
    # Of those before, the workflow of the review takes care.
    op.execute("UPDATE announcements SET happened_at = first_tried_at, ended_at = first_tried_at")
    with op.batch_alter_table("announcements") as batch:
        batch.alter_column("happened_at", existing_type=UtcInstant(timezone=True), nullable=False)
        batch.alter_column("first_tried_at", existing_type=UtcInstant(timezone=True), nullable=True)
        batch.alter_column("unmailed", existing_type=sa.Boolean(), server_default=None)
        batch.alter_column("position", existing_type=sa.Integer(), server_default=None)
    op.create_index(op.f("ix_announcements_ended_at"), "announcements", ["ended_at"])
