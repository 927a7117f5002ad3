"""By what a word is known when it is said again, and whether it was answered"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("submissions", sa.Column("about", sa.String(length=64), nullable=True))
    op.add_column("submissions", sa.Column("answered_at", UtcInstant(timezone=True), nullable=True))
    op.create_index("submissions_by_workflow", "submissions", ["workflow_id", "at"])
    # A private note may wait for its minutes. SQLite takes no constraint away: the table is made anew.
    op.create_table(
        "private_notes_alone",
        sa.Column("meeting", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("meeting"),
    )
    op.execute(
        'INSERT INTO private_notes_alone (meeting, account, "by", text) SELECT n.meeting, m.account, n."by", n.text '
        "FROM private_notes n JOIN minutes m ON m.meeting = n.meeting"
    )
    op.drop_table("private_notes")
    op.rename_table("private_notes_alone", "private_notes")
    op.create_index("timeline_by_submission", "timeline", ["submission"])
