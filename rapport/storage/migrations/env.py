"""Alembic's entry; `rapport.storage.database` hands the connection in."""

from alembic import context

from rapport.storage import gap_tables, tech_review_tables
from rapport.storage.tables import Base

# Each module of tables has to be loaded for Alembic to know it.
assert gap_tables
assert tech_review_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
    user_module_prefix="",
)
with context.begin_transaction():
    context.run_migrations()
