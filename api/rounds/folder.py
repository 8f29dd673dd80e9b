"""
A round as a neighbourhood folder: what its plan is computed from, and nothing else.

The folder holds no name, plate or address: demands are called `h` and the household's number, so that whoever applies
again draws nothing anew. The same round gives the same files, byte by byte; their hashes are the round's fingerprint.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import polars as pl
from sqlalchemy import Connection

from api.calendars.queries import calendar_overrides
from api.neighbourhoods.exporting import write_supply
from api.neighbourhoods.loading import load_facilities
from api.neighbourhoods.model import DECISIONS_SCHEMA, DEMANDS_SCHEMA, HOMES_SCHEMA, Neighbourhood, Policy
from api.rounds import folder_queries
from api.rounds.errors import RoundConflict

_DAYS_BEFORE, _DAYS_AFTER = timedelta(days=31), timedelta(days=92)
"""Days of the calendar that the nights of a term can depend on: those of other years leave a plan as it is."""


def write_round_folder(connection: Connection, round_id: int, folder: Path) -> bytes:
    """
    Write a round into an empty folder; return the fingerprint of what was written.

    Walks are those measured when homes and facilities were stored: all within the widest limit of any application, and
    the nearest facility of each home, so that a refusal can say how far it is.

    Raises
    ------
    RoundNotFound
        There is none.
    RoundConflict
        Its seed is not known yet.
    """
    write_supply(_supply(connection, round_id), folder)
    for name in folder_queries.FILES:
        number, written = folder_queries.lines_of(connection, name, round_id)
        if number or name != folder_queries.DECISIONS:
            (folder / name).write_bytes(written)
    return fingerprint(hashes_of(folder))


def fingerprint_now(connection: Connection, round_id: int) -> bytes:
    """Return the fingerprint that a folder of the round would have if it were written now."""
    with tempfile.TemporaryDirectory(prefix="baytide-round-") as place:
        return write_round_folder(connection, round_id, Path(place))


def require_facilities(connection: Connection, round_id: int) -> None:
    """Raise RoundConflict where none of a round's facilities is published: its applicants would be told untruths."""
    if not folder_queries.get_settings(connection, round_id).facility_ids:
        raise RoundConflict("all facilities of the round were withdrawn: call the round off")


def hashes_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a folder, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def fingerprint(hashes: Mapping[str, str]) -> bytes:
    """Return the SHA-256 of canonical JSON of {file: hash}, as plan.json has it in `input_sha256`."""
    return hashlib.sha256(json.dumps(dict(hashes), sort_keys=True, separators=(",", ":")).encode()).digest()


def _supply(connection: Connection, round_id: int) -> Neighbourhood:
    """Return the neighbourhood as the round sees it: its facilities as they are published now, and nobody in it."""
    row = folder_queries.get_settings(connection, round_id)
    if row.seed is None:
        raise RoundConflict("the public number is not entered yet, so there is no seed")
    policy = {name: row.policy[name] for name in Policy.__slots__ if name in row.policy}
    if "tier_value_m" in policy:
        policy["tier_value_m"] = tuple(policy["tier_value_m"])
    overrides = calendar_overrides(connection, row.neighbourhood_id)
    near = row.first - _DAYS_BEFORE, row.last + _DAYS_AFTER
    facilities = load_facilities(connection, row.neighbourhood_id, ids=row.facility_ids)
    return Neighbourhood(
        name=row.name,
        timezone=row.timezone,
        country=row.country,
        crs="EPSG:4326",
        seed=row.seed,
        term_from=row.first,
        term_to=row.last,
        policy=Policy(**policy),
        facilities=tuple(facilities),
        homes=pl.DataFrame(schema=HOMES_SCHEMA),
        demands=pl.DataFrame(schema=DEMANDS_SCHEMA),
        decisions=pl.DataFrame(schema=DECISIONS_SCHEMA),
        walks=None,
        streets=None,
        calendar_overrides={day: kind for day, kind in overrides.items() if near[0] <= day <= near[1]},
    )
