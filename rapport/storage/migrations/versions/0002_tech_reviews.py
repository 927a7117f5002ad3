"""Technical reviews"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "tech_reviews",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("ask", sa.String(), nullable=False),
        sa.Column("submitter", sa.String(), nullable=False),
        sa.Column("submitted", UtcInstant(timezone=True), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("needed_by", UtcInstant(timezone=True), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("overdue", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("decided", UtcInstant(timezone=True), nullable=True),
        sa.Column("told", UtcInstant(timezone=True), nullable=True),
        sa.Column("acknowledged", UtcInstant(timezone=True), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("revisit", UtcInstant(timezone=True), nullable=True),
        sa.Column("closed", UtcInstant(timezone=True), nullable=True),
        sa.Column("waiting_on", sa.JSON(), nullable=False),
        sa.Column("waiting_for", sa.Text(), nullable=True),
        sa.Column("unblock", sa.Text(), nullable=True),
        sa.Column("deadline", UtcInstant(timezone=True), nullable=True),
        sa.Column("since", UtcInstant(timezone=True), nullable=True),
        sa.Column("projected", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.ForeignKeyConstraint(["submitter"], ["members.id"]),
        sa.PrimaryKeyConstraint("ref"),
        sa.UniqueConstraint("number"),
    )
    op.create_index("tech_reviews_by_account", "tech_reviews", ["account"], unique=False)
    op.create_table(
        "tech_review_rounds",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("submission", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("needed_by", UtcInstant(timezone=True), nullable=False),
        sa.Column("design_link", sa.Text(), nullable=True),
        sa.Column("design_version", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["ref"], ["tech_reviews.ref"]),
        sa.PrimaryKeyConstraint("ref", "round"),
    )
    op.create_table(
        "tech_review_remarks",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("seat", sa.String(), nullable=True),
        sa.Column("by", sa.String(), nullable=True),
        sa.Column("option", sa.String(), nullable=True),
        sa.Column("submission", sa.String(), nullable=True),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["tech_reviews.ref"]),
        sa.PrimaryKeyConstraint("ref", "key"),
    )
    op.create_index("tech_review_remarks_by_submission", "tech_review_remarks", ["submission"], unique=False)
    op.create_table(
        "tech_review_conditions",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["tech_reviews.ref"]),
        sa.PrimaryKeyConstraint("ref", "round", "position"),
    )
    op.create_table(
        "tech_review_receipts",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["tech_reviews.ref"]),
        sa.PrimaryKeyConstraint("ref", "key"),
    )
