"""Windows, closures and no-movement hours of a feature in facilities.geojson."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from api.calendars.clock import DAY_MIN, hours_text, parse_hours
from api.neighbourhoods.feature_values import MOST_BAYS, Place, list_of, optional_text, whole_number
from api.neighbourhoods.model import Closure, Window
from api.neighbourhoods.words import parse_days

_WINDOW = ("days", "from", "to", "bays", "last_entry", "season")
_CLOSURE = ("from", "to", "reason")
_NO_MOVEMENT = ("from", "to")


def read_windows(value: object, place: Place) -> list[Window]:
    """Read the windows of a bay group; those with faults are left out, the faults noted."""
    if value is None:
        place.fault("is missing")
        return []
    windows = []
    for index, item in enumerate(list_of(value, place)):
        here = place.at(index)
        if not isinstance(item, dict):
            here.fault("is not an object")
            continue
        here.warn_of_unknown(item, _WINDOW)
        noted = len(here.findings.faults)
        days = _days(item.get("days"), here.at("days"))
        start = _hours(item.get("from"), here.at("from"))
        end = _hours(item.get("to"), here.at("to"))
        bays = whole_number(item.get("bays"), here.at("bays"), high=MOST_BAYS, required=True)
        last_entry = None if item.get("last_entry") is None else _hours(item["last_entry"], here.at("last_entry"))
        season = _season(item.get("season"), here.at("season"))
        _check_order(start, end, last_entry, here)
        if len(here.findings.faults) == noted:
            # Without a fault none of them is None.
            windows.append(Window(days, start or 0, end or 0, bays or 0, last_entry, season))
    return windows


def _check_order(start: int | None, end: int | None, last_entry: int | None, place: Place) -> None:
    if start is not None and end is not None and end <= start:
        hint = f"; write {hours_text(end + DAY_MIN)} for next morning" if start < end + DAY_MIN <= 2 * DAY_MIN else ""
        place.at("to").fault(f"is {hours_text(end)}, must be after from = {hours_text(start)}{hint}")
    if start is not None and last_entry is not None and last_entry < start:
        hint = (
            f"; write {hours_text(last_entry + DAY_MIN)} for next morning"
            if last_entry + DAY_MIN <= 2 * DAY_MIN
            else ""
        )
        place.at("last_entry").fault(f"is {hours_text(last_entry)}, before from = {hours_text(start)}{hint}")


def _days(value: object, place: Place) -> str:
    try:
        if isinstance(value, str):
            return parse_days(value)
        if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
            days = parse_days(" ".join(value))
            if len(value) > 1 or len(days) == 3:
                return days
        raise ValueError(f"is {value!r}, expected daily, workdays, rest_days or a list of weekdays like ['mon', 'tue']")
    except ValueError as error:
        place.fault("is missing" if value is None else str(error))
        return "daily"


def _hours(value: object, place: Place) -> int | None:
    if not isinstance(value, str):
        place.fault("is missing" if value is None else f"is {value!r}, expected hours and minutes like '18:00'")
        return None
    try:
        return parse_hours(value)
    except ValueError as error:
        place.fault(str(error))
        return None


def _season(value: object, place: Place) -> tuple[tuple[int, int], tuple[int, int]] | None:
    if value is None:
        return None
    if not (isinstance(value, list) and len(value) == 2):
        place.fault(f"is {value!r}, expected two days of the year like ['05-01', '09-30']")
        return None
    ends = []
    for index, text in enumerate(value):
        try:
            day = datetime.strptime(f"2000-{text}", "%Y-%m-%d")  # noqa: DTZ007  (a day of any year; 2000 has a 29 February)
        except (TypeError, ValueError):
            place.at(index).fault(f"is {text!r}, expected a day of the year like '05-01'")
            return None
        ends.append((day.month, day.day))
    return ends[0], ends[1]


def read_closures(value: object, place: Place) -> tuple[Closure, ...]:
    """Read the closures of a facility; those with faults are left out, the faults noted."""
    closures = []
    for index, item in enumerate(list_of(value, place, default=())):
        here = place.at(index)
        if not isinstance(item, dict):
            here.fault("is not an object")
            continue
        here.warn_of_unknown(item, _CLOSURE)
        start, end = (_local_moment(item.get(key), here.at(key)) for key in ("from", "to"))
        if start is None or end is None:
            continue
        if end <= start:
            here.at("to").fault(f"is {item['to']}, must be after from = {item['from']}")
        closures.append(Closure(start, end, optional_text(item, "reason", here) or ""))
    return tuple(closures)


def _local_moment(value: object, place: Place) -> datetime | None:
    expected = "expected a local date-time like '2026-12-24T18:00'"
    if not isinstance(value, str):
        place.fault("is missing" if value is None else f"is {value!r}, {expected}")
        return None
    midnight = value.removesuffix("T24:00")
    try:
        if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ]|$)", midnight):  # weeks and days of the year are ISO too
            raise ValueError(midnight)
        moment = datetime.fromisoformat(midnight) + timedelta(days=midnight != value)
    except (ValueError, OverflowError):
        place.fault(f"is {value!r}, {expected}")
        return None
    if moment.tzinfo is not None:
        place.fault(f"is {value!r}, {expected}, without an offset from UTC")
        return None
    return moment


def read_no_movement(value: object, place: Place) -> tuple[int, int] | None:
    """Read the no-movement hours of a facility as minutes of the day; None where there are none or a fault."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        place.fault(f"is {value!r}, expected {{'from': '23:00', 'to': '06:00'}}")
        return None
    place.warn_of_unknown(value, _NO_MOVEMENT)
    start, end = _hours(value.get("from"), place.at("from")), _hours(value.get("to"), place.at("to"))
    if start is None or end is None:
        return None
    start, end = start % DAY_MIN, end % DAY_MIN
    if start == end:
        place.at("to").fault(
            f"is the same hour as from = {hours_text(start)}; leave no_movement out where cars may always move"
        )
        return None
    return start, end if end > start else end + DAY_MIN
