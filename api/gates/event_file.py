"""Entries and exits from a file: read whole, every fault named by line, and never the plate in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from api.accounts.keys import Keys
from api.errors import Fault, FolderFaults
from api.facilities.availability import instant_of
from api.gates.event_schemas import MOST_EVENTS
from api.gates.events import EventAnswer, SeenEvent, record_events
from api.jobs.queries import work

COLUMNS = ("id", "direction", "at")
"""Those a file needs; `plate` and `confidence` may follow."""
_MORE = "more cells"
_LONGEST_NAME, _LONGEST_PLATE = 100, 40
_FIRST_YEAR, _LAST_YEAR = 2000, 2199


@dataclass(frozen=True, slots=True)
class FileEvent:
    """An event and the line it stands on."""

    line: int
    event: SeenEvent


def read_events(content: bytes, zone: ZoneInfo, *, file: str) -> list[FileEvent]:
    """
    Read a CSV file with the columns id, direction, at, and if known plate and confidence; UTF-8 or GBK.

    Raises
    ------
    FolderFaults
        Every line that cannot be understood.
    """
    rows = csv.DictReader(io.StringIO(_decoded(content), newline=""), restkey=_MORE)
    events, faults = [], []
    try:
        missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            raise FolderFaults([Fault(file, 1, column, "the column is missing") for column in missing])
        for row in rows:
            found = list(_faults_in(row, file=file, line=rows.line_num))
            faults += found
            if not found:
                events.append(FileEvent(rows.line_num, _event(row, zone)))
    except csv.Error as error:
        raise FolderFaults([Fault(file, rows.line_num, "file", f"is not CSV: {error}")]) from None
    if faults:
        raise FolderFaults(faults)
    return events


def import_events(
    engine: Engine, keys: Keys, facility_id: int, events: list[FileEvent], *, now: datetime
) -> list[tuple[int, EventAnswer]]:
    """Take a facility's events, some hundreds a transaction; return the line and the answer of each."""
    answers: list[tuple[int, EventAnswer]] = []
    for k in range(0, len(events), MOST_EVENTS):
        batch = events[k : k + MOST_EVENTS]
        with work(engine) as connection:
            told = record_events(connection, keys, facility_id, [e.event for e in batch], source="file", now=now)
        answers += zip((e.line for e in batch), told, strict=True)
    return answers


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gbk", errors="replace")


def _faults_in(row: dict[str, str | None], *, file: str, line: int) -> Iterator[Fault]:
    if not 1 <= len(row["id"] or "") <= _LONGEST_NAME:
        yield Fault(file, line, "id", f"must have 1 to {_LONGEST_NAME} characters")
    if row["direction"] not in ("entry", "exit"):
        yield Fault(file, line, "direction", "must be `entry` or `exit`")
    if _moment(row["at"]) is None:
        yield Fault(file, line, "at", "must be a date and time as 2026-09-16T18:31:07, with or without an offset")
    if len(row.get("plate") or "") > _LONGEST_PLATE:
        yield Fault(file, line, "plate", f"must have at most {_LONGEST_PLATE} characters")
    if not 0 <= _number(row.get("confidence")) <= 1:
        yield Fault(file, line, "confidence", "must lie between 0 and 1")
    if _MORE in row:
        yield Fault(file, line, "file", "has more cells than the header")
    if any("\0" in (cell or "") for cell in row.values()):
        yield Fault(file, line, "file", "holds a zero character")


def _event(row: dict[str, str | None], zone: ZoneInfo) -> SeenEvent:
    at = _moment(row["at"]) or datetime.min  # noqa: DTZ901 -- never: faults were looked for
    moment = instant_of(at, zone) if at.tzinfo is None else at.astimezone(UTC)
    confidence = row.get("confidence")
    return SeenEvent(
        name=row["id"] or "",
        direction=row["direction"] or "",
        at=moment,
        plate=row.get("plate") or "",
        confidence=float(confidence) if confidence else None,
    )


def _moment(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return found if _FIRST_YEAR <= found.year <= _LAST_YEAR else None


def _number(text: str | None) -> float:
    """Return a number, one half for none, and one out of range for what is no number."""
    try:
        return float(text) if text else 0.5
    except ValueError:
        return -1.0
