"""Notices to households, allocation runs that planners ask for, and imports that wait."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, with who may see and change their rows."""
    op.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Drop them; their privileges and policies go along."""
    op.execute("DROP INDEX stays_leave_by_idx")
    op.execute("DROP TABLE notices, allocation_runs, facility_imports")
