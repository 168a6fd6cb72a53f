"""Run by Alembic: migrates the connection that `guardkit.sql.schema` hands over."""

from alembic import context

from guardkit.sql.side_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="gk_alembic_version",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
