"""Alembic's entry: migrates over the connection that schema.py hands in."""

from alembic import context

from agent.migrations.tables import metadatas

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadatas(),
    render_as_batch=True,
    transaction_per_migration=False,
    transactional_ddl=True,
)
context.run_migrations()
