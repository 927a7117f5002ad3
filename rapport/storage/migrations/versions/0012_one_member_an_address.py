"""One member an address, however its letters are cased"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("CREATE UNIQUE INDEX members_by_address ON members (lower(email))")
