"""Neighbourhoods, what they share and ask for, and plans."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    "unserved",
    "share_windows",
    "decisions",
    "bays",
    "bay_values",
    "assignments",
    "walks",
    "entrances",
    "demands",
    "closures",
    "bay_groups",
    "streets",
    "street_files",
    "plans",
    "homes",
    "facilities",
    "calendar_days",
    "base_maps",
    "neighbourhoods",
)


def upgrade() -> None:
    """Make the tables; the extensions first, which may be there already."""
    op.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Drop the tables and keep the extensions, which others may use."""
    op.execute(f"DROP TABLE {', '.join(_TABLES)}")
