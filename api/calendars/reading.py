"""Days as planners send them, CSV or JSON: all of them good, or every fault by its line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import date

from api.calendars.day_kinds import REST_DAY, WORKDAY
from api.calendars.errors import UnusableDays
from api.calendars.years import Day
from api.errors import Fault

_COLUMNS = ("date", "kind", "holiday")
_LONGEST_NAME = 100
_MOST_DAYS = 366
Line = tuple[int, Mapping[str, object]]
"""The line a day is said in, and its cells by column."""


def read_days(content: str, *, year: int, file: str = "days") -> tuple[Day, ...]:
    """
    Read the days of a year from CSV (`date,kind,holiday`, the last may be missing) or a JSON list of such objects.

    Raises
    ------
    UnusableDays
        With every fault by line and field; of JSON the line is the number of the entry.
    """
    text = content.removeprefix("\ufeff")
    lines = _json_lines(text, file) if text.lstrip()[:1] in ("[", "{") else _csv_lines(text, file)
    return check_days(lines, year=year, file=file)


def check_days(lines: Iterable[Line], *, year: int, file: str = "days") -> tuple[Day, ...]:
    """Return the days of a year in order; raise UnusableDays with every fault by line and field."""
    faults: list[Fault] = []
    found: dict[date, tuple[int, Day]] = {}
    for line, cells in lines:
        day = _day(line, cells, year=year, file=file, faults=faults)
        if day is not None and day.date in found:
            faults.append(Fault(file, line, "date", f"{day.date} is already in line {found[day.date][0]}"))
        elif day is not None:
            found[day.date] = line, day
    if faults:
        raise UnusableDays(faults)
    return tuple(found[day][1] for day in sorted(found))


def _day(line: int, cells: Mapping[str, object], *, year: int, file: str, faults: list[Fault]) -> Day | None:
    before = len(faults)
    unknown = [str(name) for name in cells if name not in _COLUMNS]
    if unknown:
        faults.append(Fault(file, line, "row", f"has more than {', '.join(_COLUMNS)}"))
    day, kind, holiday = (str(cells.get(name) or "").strip() for name in _COLUMNS)
    moment = _date(day)
    if moment is None:
        faults.append(Fault(file, line, "date", "must be a date like 2027-02-06"))
    elif moment.year != year:
        faults.append(Fault(file, line, "date", f"lies in {moment.year}, must lie in {year}"))
    if kind not in (WORKDAY, REST_DAY):
        faults.append(Fault(file, line, "kind", f"must be {WORKDAY} or {REST_DAY}"))
    if len(holiday) > _LONGEST_NAME or not holiday.isprintable():
        faults.append(
            Fault(file, line, "holiday", f"must be {_LONGEST_NAME} letters at most, without control characters")
        )
    return Day(moment, kind, holiday) if moment is not None and len(faults) == before else None


def _date(word: str) -> date | None:
    try:
        return date.fromisoformat(word) if len(word) == len("2027-02-06") else None
    except ValueError:
        return None


def _csv_lines(content: str, file: str) -> list[Line]:
    lines: list[Line] = []
    faults: list[Fault] = []
    reader = csv.reader(io.StringIO(content, newline=""))
    try:
        header = [name.strip() for name in next(reader, [])]
        if sorted(header) not in (sorted(_COLUMNS), sorted(_COLUMNS[:2])):
            raise UnusableDays([Fault(file, 1, "header", f"must be {','.join(_COLUMNS)}; the last may be missing")])
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) == len(header):
                lines.append((reader.line_num, dict(zip(header, row, strict=True))))
            else:
                faults.append(Fault(file, reader.line_num, "row", f"has {len(row)} cells, the header {len(header)}"))
    except csv.Error as error:
        raise UnusableDays([Fault(file, reader.line_num, "row", str(error))]) from None
    if faults:
        raise UnusableDays(faults)
    return _few(lines, file)


def _json_lines(content: str, file: str) -> list[Line]:
    try:
        read = json.loads(content)
    except ValueError as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise UnusableDays([Fault(file, line, "file", "is no JSON")]) from None
    entries = read.get("days") if isinstance(read, dict) else read
    if not isinstance(entries, list):
        raise UnusableDays([Fault(file, 1, "file", "must be a list of days, or an object with `days`")])
    faults = [
        Fault(file, number, "row", f"must be an object with {', '.join(_COLUMNS)}")
        for number, entry in enumerate(entries, 1)
        if not isinstance(entry, dict)
    ]
    if faults:
        raise UnusableDays(faults)
    return _few(list(enumerate(entries, 1)), file)


def _few(lines: list[Line], file: str) -> list[Line]:
    if len(lines) > _MOST_DAYS:
        raise UnusableDays([Fault(file, lines[_MOST_DAYS][0], "row", f"a year has {_MOST_DAYS} days at most")])
    return lines
