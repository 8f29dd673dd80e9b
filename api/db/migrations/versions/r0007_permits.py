"""Bays that come anew on record for the waitlist; parts of nights on bays that are in use."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_HERE = Path(__file__).parent


def upgrade() -> None:
    """Run the file beside this one."""
    op.execute(_parts()[0])


def downgrade() -> None:
    """Undo it, and put the function back as revision 0002 made it."""
    op.execute(_parts()[1])
    made = (_HERE / "r0002_finding.sql").read_text(encoding="utf-8")
    found = re.search(r"^CREATE (FUNCTION longest_part\(.*?^\$\$;)$", made, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError("r0002_finding.sql does not make longest_part")
    op.execute(f"CREATE OR REPLACE {found[1]}")


def _parts() -> tuple[str, str]:
    """Return what to do, and what undoes it."""
    up, _, down = (_HERE / "r0007_permits.sql").read_text(encoding="utf-8").partition("-- DOWN\n")
    return up, down
