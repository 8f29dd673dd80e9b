"""Accounts, supply by owners, openings, walks, stays, and the role the service runs under."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PARTS = ("accounts", "supply", "openings", "walks", "stays", "finding", "booking", "withdrawals", "rights")


def upgrade() -> None:
    """Run the parts, each a file beside this one; rights come last because they name what the others make."""
    for part in _PARTS:
        op.execute(_part(part))


def downgrade() -> None:
    """Drop what the parts made and keep the role, which other databases of the server may use."""
    made = "\n".join(_part(part) for part in _PARTS)
    tables = _made("TABLE", made)
    op.execute(f"DROP TABLE {', '.join(tables)} CASCADE")
    op.execute("DROP OWNED BY baytide_service")  # its privileges and policies in this database: it owns nothing
    for table in re.findall(r"^ALTER TABLE (\w+) ENABLE ROW LEVEL SECURITY", made, re.MULTILINE):
        if table not in tables:
            op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table, changes in re.findall(r"^ALTER TABLE (\w+)([^;]*);", made, re.MULTILINE):
        for column in re.findall(r"\bADD COLUMN (\w+)", changes):
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    op.execute(f"DROP FUNCTION {', '.join(_made('FUNCTION', made))} CASCADE")


def _made(kind: str, statements: str) -> list[str]:
    return re.findall(rf"^CREATE {kind} (\w+)", statements, re.MULTILINE)


def _part(name: str) -> str:
    return (Path(__file__).parent / f"r0002_{name}.sql").read_text(encoding="utf-8")
