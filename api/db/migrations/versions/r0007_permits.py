"""Bays that come anew on record for the waitlist; parts of nights on bays that are in use; lists that keep what was."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_HERE = Path(__file__).parent
_REPLACED = (("r0002_finding.sql", "longest_part"), ("r0005_gates.sql", "allowed_stays"))


def upgrade() -> None:
    """Run the file beside this one."""
    op.execute(_parts()[0])


def downgrade() -> None:
    """Undo it, and put the functions back as earlier revisions made them."""
    op.execute(_parts()[1])
    for name, function in _REPLACED:
        made = (_HERE / name).read_text(encoding="utf-8")
        found = re.search(rf"^CREATE (FUNCTION {function}\(.*?^\$\$;)$", made, re.MULTILINE | re.DOTALL)
        if found is None:
            raise LookupError(f"{name} does not make {function}")
        op.execute(f"CREATE OR REPLACE {found[1]}")


def _parts() -> tuple[str, str]:
    """Return what to do, and what undoes it."""
    up, _, down = (_HERE / "r0007_permits.sql").read_text(encoding="utf-8").partition("-- DOWN\n")
    return up, down
