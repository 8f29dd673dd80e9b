"""Rounds that are late say so, rounds may ask for a deposit, and what has served its time is told by the worker."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_UP, _, _DOWN = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").partition("-- DOWN\n")


def upgrade() -> None:
    """Run the file beside this one."""
    op.execute(_UP)


def downgrade() -> None:
    """Undo it."""
    op.execute(_DOWN)
