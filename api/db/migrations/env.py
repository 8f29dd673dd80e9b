"""How Alembic runs here: always inside a transaction that somebody else opened."""

from __future__ import annotations

from alembic import context
from geoalchemy2 import alembic_helpers

from api.db.schema import metadata


def is_ours(_thing: object, name: str | None, kind: str, reflected: bool, _compare_to: object) -> bool:
    """Leave out what PostGIS brings; Alembic hands over five things by position."""
    return kind != "table" or not reflected or name in metadata.tables or name == "alembic_version"


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=is_ours,
    process_revision_directives=alembic_helpers.writer,
    render_item=alembic_helpers.render_item,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()
