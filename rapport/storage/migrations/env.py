"""Alembic's entry; `rapport.storage.database` hands the connection in."""

from alembic import context

from rapport.storage import gap_tables  # noqa: F401 - its tables are part of the schema
from rapport.storage.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
    user_module_prefix="",
)
with context.begin_transaction():
    context.run_migrations()
