"""Finding the PostgreSQL programs of this machine, and the PostGIS that goes with them."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from api.errors import DatabaseUnavailable

OLDEST_MAJOR = 15
"""PostgreSQL 15 is the oldest version the service is tested with."""

_INSTALL = (
    "install PostgreSQL with PostGIS (Debian and Ubuntu: apt-get install postgresql postgresql-postgis), "
    "or set DATABASE_URL"
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """Programs of one PostgreSQL version that has PostGIS."""

    folder: Path
    major: int


def find_binaries(*, major: int | None = None, folders: tuple[Path, ...] | None = None) -> Binaries:
    """
    Find the newest PostgreSQL with PostGIS.

    Parameters
    ----------
    major
        Only this version: the one that made an existing data folder.
    folders
        Where to look; the usual places of this machine without.

    Raises
    ------
    DatabaseUnavailable
        Nothing suitable; the sentence names what to install.
    """
    found = [binaries for folder in folders or _usual_folders() if (binaries := _binaries_in(folder))]
    if not found:
        raise DatabaseUnavailable(f"no PostgreSQL programs on this machine: {_INSTALL}.")
    if major is not None:
        found = [binaries for binaries in found if binaries.major == major]
        if not found:
            raise DatabaseUnavailable(
                f"the database in the data folder was made by PostgreSQL {major}, which is not on this machine: "
                f"apt-get install postgresql-{major} postgresql-{major}-postgis-3, "
                "or choose another folder with BAYTIDE_DATA."
            )
    newest_first = sorted(found, key=lambda binaries: binaries.major, reverse=True)
    if newest_first[0].major < OLDEST_MAJOR:
        raise DatabaseUnavailable(
            f"PostgreSQL {newest_first[0].major} is too old, {OLDEST_MAJOR} or newer is needed: {_INSTALL}."
        )
    for binaries in newest_first:
        if binaries.major >= OLDEST_MAJOR and _has_postgis(binaries.folder):
            return binaries
    newest = newest_first[0].major
    raise DatabaseUnavailable(
        f"PostgreSQL {newest} is here, but PostGIS for it is not: apt-get install postgresql-{newest}-postgis-3."
    )


def _usual_folders() -> tuple[Path, ...]:
    """List the folders programs may be in: what pg_config says, Debian's versions, the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if pg_config := shutil.which("pg_config"):
        folders.append(Path(_ask(pg_config, "--bindir")))
    if postgres := shutil.which("postgres"):
        folders.append(Path(postgres).resolve().parent)
    return tuple(dict.fromkeys(folders))


def _binaries_in(folder: Path) -> Binaries | None:
    """Return what a folder holds, or None when it lacks one of the three programs or does not tell its version."""
    if not all((folder / program).is_file() for program in ("postgres", "pg_ctl", "initdb")):
        return None
    version = re.search(r"(\d+)(?:\.\d+|beta|rc|devel)", _ask(str(folder / "postgres"), "--version"))
    return Binaries(folder=folder, major=int(version[1])) if version else None


def _has_postgis(folder: Path) -> bool:
    """Tell whether PostGIS is installed for these programs: beside what pg_config names, or in Debian's place."""
    places = [
        Path("/usr/share/postgresql") / folder.parent.name,
        folder.parent / "share",
        folder.parent / "share/postgresql",
    ]
    if (folder / "pg_config").is_file():
        places.append(Path(_ask(str(folder / "pg_config"), "--sharedir")))
    return any((place / "extension/postgis.control").is_file() for place in places)


def _ask(program: str, option: str) -> str:
    """Return what a program prints for an option, empty when it cannot run."""
    try:
        answer = subprocess.run([program, option], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
