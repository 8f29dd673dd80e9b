"""Rounds, offers, waitlist, gates, overstays, calendars, notices out of the house, and money."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PARTS = ("rounds", "permits", "notices", "calendar", "money", "gates", "overstays", "withdrawals", "bays_out_of_use")
_REPLACED = (("r0002_booking.sql", "take_bay"), ("r0002_finding.sql", "free_bays_of"))
"""Functions that a part here replaces, and where they were made."""


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
        undoing = _file(f"r0005_{part}.sql").partition("-- DOWN\n")[2]
        if undoing.strip():
            op.execute(undoing)
    for file, function in _REPLACED:
        op.execute(_function(file, function))


def _part(name: str) -> str:
    return _file(f"r0005_{name}.sql").partition("-- DOWN\n")[0]


def _function(file: str, name: str) -> str:
    """Return the statement that puts a function back as an earlier revision made it."""
    found = re.search(rf"^CREATE (FUNCTION {name}\(.*?^\$\$;)$", _file(file), re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"{file} does not make {name}")
    return f"CREATE OR REPLACE {found[1]}"


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
