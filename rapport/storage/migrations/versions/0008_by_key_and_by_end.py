"""An occasion's messages by their key in PostgreSQL too, and the cases that ended lately"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index("cases_by_end", "cases", ["resolved_at"])
    if op.get_context().dialect.name == "postgresql":
        # The primary key is ordered by the database's language, in which no beginning of a key is a range.
        op.execute('CREATE INDEX messages_by_key ON messages (key COLLATE "C")')
