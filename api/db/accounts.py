"""The account the database programs run under, and whether a process is one of them."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from api.errors import DatabaseUnavailable


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine that the database programs run under."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """
    Return the account to run the database under, or None when ours will do.

    Raises
    ------
    DatabaseUnavailable
        We are root and the machine has neither `postgres` nor `nobody`.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise DatabaseUnavailable("PostgreSQL does not run as root, and this machine has no account postgres or nobody.")


def is_postgres(pid: int) -> bool:
    """Tell whether a process is a PostgreSQL server; where that cannot be known, whether it exists."""
    name = Path(f"/proc/{pid}/comm")
    if Path("/proc/self/comm").exists():
        try:
            return name.read_text().strip() in ("postgres", "postmaster")
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
