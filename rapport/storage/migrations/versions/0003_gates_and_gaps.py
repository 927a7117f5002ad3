"""Gates and gaps: product gaps, and what the review channel is told"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "gaps",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("roadmap", sa.String(), nullable=True),
        sa.Column("logged_by", sa.String(), nullable=False),
        sa.Column("logged_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("changed_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("delivery_reason", sa.String(), nullable=True),
        sa.Column("first_tried_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("sent_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "gap_links",
        sa.Column("gap", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["gap"], ["gaps.number"]),
        sa.PrimaryKeyConstraint("gap", "kind", "ref"),
    )
    op.create_index("gap_links_by_ref", "gap_links", ["kind", "ref"])
    op.create_table(
        "announcements",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("first_tried_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("settled_at", UtcInstant(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(op.f("ix_announcements_ref"), "announcements", ["ref"])
    op.create_index(op.f("ix_announcements_state"), "announcements", ["state"])
