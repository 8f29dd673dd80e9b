"""Records of entries and exits as gates and bay locks export them: every fault is counted, none is passed over."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.calendars.clock import DAY_MIN, day_number, minute_of
from api.capacity.visits import Row, UnusableRecords, Visits, visits_of

MOST_ROWS = 2_000_000
_ENTRY = (
    *("entry", "entry time", "entered at", "entered", "in", "in time", "time in", "arrival", "arrival time", "start"),
    *("start time", "lockdown time", "entry_time", "entered_at", "in_time"),
    *("入场时间", "进场时间", "入场", "进场", "驶入时间", "入口时间", "进入时间", "到达时间", "开始时间", "降锁时间"),
)
_EXIT = (
    *("exit", "exit time", "left at", "left", "out", "out time", "time out", "departure", "departure time", "end"),
    *("end time", "lockup time", "exit_time", "left_at", "out_time"),
    *("出场时间", "离场时间", "出场", "离场", "驶出时间", "出口时间", "离开时间", "结束时间", "升锁时间"),
)
_CAR = ("plate", "plate number", "licence plate", "license plate", "card", "车牌号", "车牌", "车牌号码", "卡号")
_MOMENT = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T\s]+(\d{1,2})[:时](\d{1,2})(?:[:分](\d{1,2})(?:[.,]\d+)?)?秒?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?"
)
_NONE = ("", "-", "--", "null", "none", "nan", "n/a", "无", "未出场")


def read_records(content: bytes, *, timezone: str | None = None) -> Visits:
    """
    Read a CSV file in UTF-8 or GBK with a column of entries and one of exits, named in English or Chinese.

    Parameters
    ----------
    timezone
        IANA zone in which moments that carry an offset are read; moments without one are local time already.

    Raises
    ------
    UnusableRecords
        When it is not such a file, or no row of it can be used.
    """
    if b"\0" in content:
        raise UnusableRecords("the file is neither UTF-8 nor GBK text")
    lines = csv.reader(io.StringIO(_decoded(content), newline=""), delimiter=_delimiter(content))
    try:
        columns = _columns(next(lines, []))
        return visits_of(_rows(lines, columns, _zone(timezone)))
    except csv.Error as error:
        raise UnusableRecords(f"line {lines.line_num}: is not CSV: {error}") from None


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UnusableRecords("timezone is none that is known; write it as Asia/Shanghai") from error


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnusableRecords("the file is neither UTF-8 nor GBK text")


def _delimiter(content: bytes) -> str:
    head = content.split(b"\n", 1)[0]
    return max(",;\t", key=lambda mark: head.count(mark.encode()))


def _columns(head: Sequence[str]) -> tuple[int, int, int | None]:
    """Find the columns of entry, exit and, where there is one, of the car."""
    names = [re.sub(r"[\s_]+", " ", re.split(r"[（(]", name)[0]).strip().lower() for name in head]

    def find(words: Iterable[str]) -> int | None:
        return next((at for at, name in enumerate(names) if name in words), None)

    entry, leaving = find(_ENTRY), find(_EXIT)
    if entry is None or leaving is None:
        missing = "an entry (as entry_time, 入场时间)" if entry is None else "an exit (as exit_time, 出场时间)"
        raise UnusableRecords(f"line 1: no column is named as {missing}")
    return entry, leaving, find(_CAR)


def _rows(lines: Iterable[Sequence[str]], columns: tuple[int, int, int | None], zone: ZoneInfo | None) -> Iterator[Row]:
    entry, leaving, car = columns
    days: dict[tuple[int, int, int], int] = {}
    for count, cells in enumerate(lines):
        if not cells:
            continue
        if count >= MOST_ROWS:
            raise UnusableRecords(f"the file has more than {MOST_ROWS:,} rows")
        if len(cells) <= max(entry, leaving):
            yield Row(None, None, unreadable=True)
            continue
        try:
            yield Row(
                _minute(cells[entry], zone=zone, days=days, up=False),
                _minute(cells[leaving], zone=zone, days=days, up=True),
                car=cells[car].strip() if car is not None and car < len(cells) else "",
            )
        except ValueError:
            yield Row(None, None, unreadable=True)


def _minute(text: str, *, zone: ZoneInfo | None, days: dict[tuple[int, int, int], int], up: bool) -> int | None:
    """Local minute of a moment, seconds rounded outwards; None of an empty cell, ValueError of anything else."""
    cell = text.strip()
    if cell.lower() in _NONE:
        return None
    match = _MOMENT.fullmatch(cell)
    if match is None:
        raise ValueError("not a moment")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if match[7]:
        offset = match[7].replace("Z", "+00:00")
        aware = datetime.fromisoformat(f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{offset}")
        local = minute_of(aware.astimezone(zone or ZoneInfo("UTC")).replace(tzinfo=None))
    elif hour > 24 or minute > 59 or second > 59:
        raise ValueError("not a time of day")
    else:
        local = _day((year, month, day), days) * DAY_MIN + 60 * hour + minute
    return local + (1 if up and second else 0)


def _day(named: tuple[int, int, int], days: dict[tuple[int, int, int], int]) -> int:
    if named not in days:
        days[named] = day_number(date(*named))
    return days[named]
