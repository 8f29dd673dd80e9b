"""
The allow-list in the shape that gates in the field read: a plate, a range of dates, a range of hours a day, a slot.

    prepayment_parking(plateNo, begin_date, end_date, begin_time, end_time, slot)

says: on every date from begin_date to end_date, both included, the car may stand from begin_time to end_time; where
end_time is not later than begin_time, to end_time of the next day. A night belongs to the date it begins on.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from api.gates.allow_list import AllowedRow
from api.sheets import harmless

HEADER = ("plateNo", "begin_date", "end_date", "begin_time", "end_time", "slot")
NOT_SAYABLE_HEADER = ("plateNo", "from", "to", "slot")
Encoding = Literal["utf-8-sig", "utf-8", "gbk"]
_DAY, _HALF_DAY = timedelta(days=1), timedelta(hours=12)


@dataclass(frozen=True, slots=True, order=True)
class FieldRow:
    """A row as the gate reads it; times are the facility's own."""

    plate: str
    begin_date: date
    end_date: date
    begin_time: time
    end_time: time
    slot: str


@dataclass(frozen=True, slots=True)
class FieldList:
    """Rows that say exactly what the list says, and what of the list no row can say."""

    rows: Sequence[FieldRow]
    not_sayable: Sequence[AllowedRow]


def field_list(allowed: Iterable[AllowedRow], zone: ZoneInfo) -> FieldList:
    """
    Say an allow-list in rows of dates and hours.

    Nights of one plate on one bay with the same hours on consecutive dates are one row. What lasts a day or longer (a
    stay over rest days) is split into halves of a day, which join in the same way. What begins or ends in an hour that
    the clock goes through twice cannot be said.
    """
    dates: dict[tuple[str, str, time, time], set[date]] = defaultdict(set)
    not_sayable = []
    for row in allowed:
        begin, end = (moment.astimezone(zone) for moment in (row.starts_at, row.ends_at))
        if _comes_twice(begin) or _comes_twice(end):
            not_sayable.append(row)
            continue
        for first, last in _pieces(begin.replace(tzinfo=None), end.replace(tzinfo=None)):
            dates[row.plate, row.bay, first.time(), last.time()].add(first.date())
    rows = [
        FieldRow(plate, first, last, begin_time, end_time, slot)
        for (plate, slot, begin_time, end_time), nights in dates.items()
        for first, last in _runs(sorted(nights))
    ]
    return FieldList(sorted(rows), not_sayable)


def field_csv(rows: Iterable[FieldRow], *, encoding: Encoding) -> bytes:
    """Write rows as a file; what a sheet would take for a formula is quoted."""
    return _written(HEADER, map(_cells, rows), encoding=encoding)


def not_sayable_csv(rows: Iterable[AllowedRow], zone: ZoneInfo, *, encoding: Encoding) -> bytes:
    """Write what cannot be said as instants with their offset."""
    return _written(
        NOT_SAYABLE_HEADER,
        (
            (row.plate, row.starts_at.astimezone(zone).isoformat(), row.ends_at.astimezone(zone).isoformat(), row.bay)
            for row in rows
        ),
        encoding=encoding,
    )


def _cells(row: FieldRow) -> Sequence[str]:
    dates = row.begin_date.isoformat(), row.end_date.isoformat()
    return row.plate, *dates, _clock(row.begin_time), _clock(row.end_time), row.slot


def _comes_twice(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _pieces(begin: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
    """Cut wall-clock time into pieces shorter than a day; what is short enough is one."""
    if end - begin < _DAY:
        yield begin, end
        return
    while begin < end:
        cut = min(begin + _HALF_DAY, end)
        yield begin, cut
        begin = cut


def _runs(nights: Sequence[date]) -> Iterable[tuple[date, date]]:
    """Join consecutive dates."""
    first = last = nights[0]
    for night in nights[1:]:
        if night - last > _DAY:
            yield first, last
            first = night
        last = night
    yield first, last


def _written(header: Sequence[str], rows: Iterable[Sequence[str]], *, encoding: Encoding) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue().encode(encoding, errors="replace")


def _clock(moment: time) -> str:
    return moment.isoformat(timespec="seconds")
