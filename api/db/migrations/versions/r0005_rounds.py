"""Rounds, offers, waitlist, gates, overstays, calendars, notices out of the house, and money."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PARTS = ("rounds", "permits", "notices", "calendar", "money", "gates", "overstays", "withdrawals")


def upgrade() -> None:
    """Run the parts, each a file beside this one."""
    for part in _PARTS:
        if re.search(r"^[A-Z]", _part(part), re.MULTILINE):
            op.execute(_part(part))


def downgrade() -> None:
    """Undo the parts in the opposite order; each says how below a line `-- DOWN`."""
    for part in reversed(_PARTS):
        for table in reversed(re.findall(r"^CREATE TABLE (\w+)", _part(part), re.MULTILINE)):
            op.execute(f"DROP TABLE {table} CASCADE")
        undoing = _file(part).partition("-- DOWN\n")[2]
        if undoing.strip():
            op.execute(undoing)


def _part(name: str) -> str:
    return _file(name).partition("-- DOWN\n")[0]


def _file(name: str) -> str:
    return (Path(__file__).parent / f"r0005_{name}.sql").read_text(encoding="utf-8")
