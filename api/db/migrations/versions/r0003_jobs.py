"""
The queue of jobs, in a schema of its own.

The tables are procrastinate's, made from its installed files, and so no part of our metadata. A newer procrastinate may
bring changes to them: a test compares its files with `NEWEST_CHANGE`, and the next migration runs what came after.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NEWEST_CHANGE = "03.04.00_50_post_add_retry_failed_job_procedure.sql"
"""The last change to its tables that this procrastinate knows, contained in what is made here."""


def upgrade() -> None:
    """Make the schema; the queue's functions find its tables there, wherever their callers look."""
    op.execute("CREATE SCHEMA jobs")
    op.execute("SET LOCAL search_path = jobs, public")
    # Not through SQLAlchemy, which would take colons and percent signs for parameters.
    op.get_bind().connection.cursor().execute(SchemaManager.get_schema().encode())
    op.execute("SET LOCAL search_path TO DEFAULT")
    op.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Drop the queue with everything in it."""
    op.execute("DROP FUNCTION enqueue_job")
    op.execute("DROP SCHEMA jobs CASCADE")
