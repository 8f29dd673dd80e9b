"""facilities.geojson: facilities with geometry, bay groups and windows, every fault with the line of its feature."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeGuard

import polars as pl
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from api.calendars.clock import DAY_MIN, hours_text, parse_hours
from api.neighbourhoods.files import Findings, first_repeated, read_text
from api.neighbourhoods.model import BAY_KINDS, FACILITY_KINDS, BayGroup, Closure, Facility, Window
from api.neighbourhoods.words import has_control_character, parse_days

FILE = "facilities.geojson"
GEOMETRY_TYPES = ("Point", "Polygon", "LineString")
_PROPERTIES = (
    "id",
    "name",
    "kind",
    "bay_groups",
    "entrances",
    "max_height_m",
    "monthly_price_cents",
    "buffer_bays",
    "closures",
    "no_movement",
)
_BAY_GROUP = ("id", "kind", "windows")
_WINDOW = ("days", "from", "to", "bays", "last_entry", "season")
_CLOSURE = ("from", "to", "reason")
_NO_MOVEMENT = ("from", "to")
_ALIKE = 0.75
"""How close (0 to 1) an unknown key comes to one of ours before it is taken for a slip."""
MOST_BAYS = 100_000
"""No car park on earth has more; a larger number is a slip of the hand."""


def _meant(key: str, known: Sequence[str]) -> str:
    """Say which key a misspelt one may stand for; the empty text when it is close to none."""
    close = difflib.get_close_matches(key, known, n=1, cutoff=_ALIKE)
    return f"; is it meant to be {close[0]!r}?" if close else ""


class Unusable(Exception):
    """A value that cannot be read further; its fault has been noted."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in facilities.geojson we are: a line, the path of fields to here, and whose they are."""

    findings: Findings
    line: int
    path: str = ""
    owner: str = ""
    """Said where the line alone does not tell the feature, as several stand in it."""

    def at(self, step: str | int) -> Place:
        """One field or index further down."""
        if isinstance(step, int):
            return replace(self, path=f"{self.path}[{step}]")
        return replace(self, path=f"{self.path}.{step}" if self.path else step)

    def fault(self, message: str) -> None:
        """Note what is wrong here."""
        whose = f" ({self.owner})" if self.owner else ""
        self.findings.fault(FILE, self.line, self.path or "feature", message + whose)

    def warn_of_unknown(self, item: Mapping[str, object], known: Sequence[str]) -> None:
        """Note keys of a part of the contract that it does not have: a rule misspelt is a rule left out."""
        for key in item:
            if key not in known:
                self.warn(f"{key!r} is not known and is ignored{_meant(key, known)}")

    def warn(self, message: str) -> None:
        """Note what is odd here."""
        whose = f" ({self.owner})" if self.owner else ""
        self.findings.warnings.append(f"{FILE}:{self.line}: {self.path or 'feature'}: {message}{whose}")

    def refuse(self, message: str) -> Unusable:
        """Note what is wrong here and give the exception to raise."""
        self.fault(message)
        return Unusable(message)


def read_facilities(
    folder: Path, findings: Findings, *, to_wgs84: Callable[[BaseGeometry], BaseGeometry]
) -> tuple[Facility, ...]:
    """Facilities in file order; those with faults are left out, the faults noted."""
    text = read_text(folder / FILE, findings)
    if text is None:
        return ()
    try:
        features = _features_with_lines(text)
    except json.JSONDecodeError as error:
        findings.fault(FILE, error.lineno, "file", f"is not JSON: {error.msg} (column {error.colno})")
        return ()
    except (ValueError, OverflowError) as error:  # a number of thousands of digits, half of a character
        findings.fault(FILE, 1, "file", f"is not JSON that can be used: {error}")
        return ()
    except RecursionError:
        findings.fault(FILE, 1, "file", "is nested too deeply to be GeoJSON")
        return ()
    if features is None:
        findings.fault(FILE, 1, "file", "is not a GeoJSON FeatureCollection with a list of features")
        return ()
    facilities: list[Facility] = []
    seen: dict[str, int] = {}
    crowded = {line for line, count in Counter(line for _, line, _ in features).items() if count > 1}
    for index, (feature, line, repeated) in enumerate(features):
        place = Place(findings, line)
        if line in crowded:
            name = _identity(feature)
            place = Place(findings, line, f"features[{index}]", f"facility {name!r}" if name else "no id")
        for key in repeated:
            place.fault(f"{key!r} stands twice in one object")
        try:
            facility = _facility(feature, place, to_wgs84)
        except Unusable:
            facility = None
        identity = _identity(feature)
        if identity is not None and identity in seen:
            place.at("id").fault(f"{identity!r} is already in line {seen[identity]}")
        elif identity is not None:
            seen[identity] = line
            if facility is not None:
                facilities.append(facility)
    return tuple(facilities)


def read_facility_ids(folder: Path) -> pl.Series | None:
    """Every id in the file, those of faulty features too, so that one fault breeds no others; None if broken."""
    if not (folder / FILE).is_file():
        return None
    try:
        features = _features_with_lines((folder / FILE).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    if features is None:
        return None
    identities = {identity for feature, _, _ in features if (identity := _identity(feature)) is not None}
    return pl.Series(sorted(identities), dtype=pl.String())


def _features_with_lines(text: str) -> list[tuple[object, int, tuple[str, ...]]] | None:
    """
    Features with the line each begins in and the keys it repeats; None when the text is JSON but no FeatureCollection.

    The whole is parsed first, so that broken JSON is named as such; then the features once more, one by one, for
    their lines.
    """
    whole = json.loads(text)
    if "\\u" in text:
        json.dumps(whole, ensure_ascii=False).encode()  # ValueError for a lone surrogate, which no file can hold
    if not (
        isinstance(whole, dict) and whole.get("type") == "FeatureCollection" and isinstance(whole.get("features"), list)
    ):
        return None
    found: list[tuple[object, int, tuple[str, ...]]] = []
    line, last = 1, 0
    for feature, (begin, repeated) in zip(whole["features"], _feature_offsets(text), strict=True):
        line += text.count("\n", last, begin)
        last = begin
        found.append((feature, line, repeated))
    return found


def _feature_offsets(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """Where members of the (last) top-level `features` begin, and keys they repeat; the text is known to be JSON."""
    repeated: list[str] = []

    def note_repeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
        content = dict(pairs)
        if len(content) < len(pairs):
            repeated.append(first_repeated(pairs))
        return content

    decoder = json.JSONDecoder(object_pairs_hook=note_repeated)

    def skip(position: int, characters: str = " \t\r\n") -> int:
        while text[position] in characters:
            position += 1
        return position

    offsets: list[tuple[int, tuple[str, ...]]] = []
    position = skip(text.index("{") + 1)
    while text[position] != "}":
        key, position = decoder.raw_decode(text, position)
        position = skip(position, " \t\r\n:")
        if key != "features" or text[position] != "[":
            _, position = decoder.raw_decode(text, position)
        else:
            offsets = []
            position = skip(position + 1)
            while text[position] != "]":
                begin = position
                repeated.clear()
                _, position = decoder.raw_decode(text, position)
                offsets.append((begin, tuple(repeated)))
                position = skip(position, " \t\r\n,")
            position += 1
        position = skip(position, " \t\r\n,")
    return offsets


def _identity(feature: object) -> str | None:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    value = properties.get("id") if isinstance(properties, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) and value.strip() else None


def _facility(feature: object, place: Place, to_wgs84: Callable[[BaseGeometry], BaseGeometry]) -> Facility | None:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise place.refuse("is not a GeoJSON Feature")
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        raise place.at("properties").refuse("is missing")
    noted = len(place.findings.faults)
    identity = _identity(feature)
    if identity is None:
        place.at("id").fault(
            "is missing" if properties.get("id") is None else f"is {properties['id']!r}, expected a text"
        )
    elif has_control_character(identity):
        place.at("id").fault(f"is {identity!r}, which holds a control character")
    for key in properties:
        if key not in _PROPERTIES and (hint := _meant(key, _PROPERTIES)):  # others are free
            place.warn(f"{key!r} is not known and is ignored{hint}")
    geometry = _geometry(feature.get("geometry"), place.at("geometry"), to_wgs84)
    price = _whole(properties.get("monthly_price_cents"), place.at("monthly_price_cents"), high=10**12)
    facility = {
        "name": _optional_text(properties, "name", place) or identity or "",
        "kind": _word(properties.get("kind"), FACILITY_KINDS, place.at("kind")),
        "bay_groups": _bay_groups(properties.get("bay_groups"), place.at("bay_groups")),
        "entrances": _entrances(properties.get("entrances"), place.at("entrances"), to_wgs84),
        "max_height_m": _number(properties.get("max_height_m"), place.at("max_height_m"), high=100, what="metres"),
        "monthly_price_cents": price,
        "buffer_bays": _whole(properties.get("buffer_bays"), place.at("buffer_bays"), high=MOST_BAYS) or 0,
        "closures": _closures(properties.get("closures"), place.at("closures")),
        "no_movement": _no_movement(properties.get("no_movement"), place.at("no_movement")),
    }
    if len(place.findings.faults) > noted or geometry is None or identity is None:
        return None
    return Facility(id=identity, geometry=geometry, **facility)  # type: ignore[arg-type]  # typed by their makers


def _geometry(value: object, place: Place, to_wgs84: Callable[[BaseGeometry], BaseGeometry]) -> BaseGeometry | None:
    if not isinstance(value, dict) or value.get("type") not in GEOMETRY_TYPES:
        kind = value.get("type") if isinstance(value, dict) else value
        place.fault(f"is {kind!r}, expected {', '.join(GEOMETRY_TYPES[:-1])} or {GEOMETRY_TYPES[-1]}")
        return None
    if not _numbers_alone(value.get("coordinates")):
        place.fault("is broken: its coordinates are not lists of numbers")
        return None
    try:
        geometry = shapely.force_2d(shape(value))
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError, shapely.errors.ShapelyError) as error:
        place.fault(f"is broken: {error}")
        return None
    astray = [point for point in shapely.get_coordinates(geometry).tolist() if not _on_earth(*point)]
    if geometry.is_empty:
        place.fault("is empty")
    elif astray:
        place.fault(f"has the point {astray[0]}, which is off the earth; coordinates are [longitude, latitude]")
    elif geometry.is_valid:
        return to_wgs84(geometry)
    else:
        mended = _mended(geometry, place)
        return None if mended is None else to_wgs84(mended)
    return None


def _mended(geometry: BaseGeometry, place: Place) -> BaseGeometry | None:
    """Return the largest part of a polygon that crosses itself, with a warning; None after a fault."""
    reason = shapely.is_valid_reason(geometry)
    pieces = shapely.get_parts(shapely.get_parts(shapely.make_valid(geometry)))
    largest: BaseGeometry = max(pieces, key=lambda piece: piece.area)
    if largest.geom_type != "Polygon":
        place.fault(f"is broken: {reason}")
        return None
    place.warn(f"was mended to its largest part ({reason})")
    return largest


_DEEPEST_COORDINATES = 3  # a polygon's rings of points


def _numbers_alone(coordinates: object, depth: int = _DEEPEST_COORDINATES) -> bool:
    """Whether coordinates are lists of numbers; a text that reads like a number is none."""
    if not isinstance(coordinates, list) or not depth:
        return False
    return all(_is_number(item) or _numbers_alone(item, depth - 1) for item in coordinates)


def _is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _on_earth(lon: object, lat: object) -> bool:
    return (
        _is_number(lon)
        and _is_number(lat)
        and -180 <= lon <= 180  # not so for NaN either
        and -90 <= lat <= 90
    )


def _entrances(
    value: object, place: Place, to_wgs84: Callable[[BaseGeometry], BaseGeometry]
) -> tuple[tuple[float, float], ...]:
    points = []
    for index, pair in enumerate(_list(value, place, default=())):
        if not (isinstance(pair, list) and len(pair) >= 2 and _on_earth(pair[0], pair[1])):
            place.at(index).fault(f"is {pair!r}, expected [longitude, latitude] on the earth")
            continue
        ((lon, lat),) = shapely.get_coordinates(to_wgs84(shapely.Point(pair[0], pair[1]))).tolist()
        points.append((lon, lat))
    return tuple(points)


def _bay_groups(value: object, place: Place) -> tuple[BayGroup, ...]:
    if value is None:
        place.fault("is missing")
        return ()
    groups: list[BayGroup] = []
    for index, item in enumerate(_list(value, place)):
        here = place.at(index)
        if not isinstance(item, dict):
            here.fault("is not an object")
            continue
        here.warn_of_unknown(item, _BAY_GROUP)
        identity = item.get("id")
        if isinstance(identity, bool) or not isinstance(identity, str | int) or not str(identity).strip():
            here.at("id").fault("is missing" if identity is None else f"is {identity!r}, expected a text")
            identity = ""
        identity = str(identity).strip()
        if has_control_character(identity):
            here.at("id").fault(f"is {identity!r}, which holds a control character")
        if identity and any(group.id == identity for group in groups):
            here.at("id").fault(f"{identity!r} stands twice in this facility")
        groups.append(
            BayGroup(
                id=identity,
                kinds=_kinds(item.get("kind"), here.at("kind")),
                windows=tuple(_windows(item.get("windows"), here.at("windows"))),
            )
        )
    return tuple(groups)


def _kinds(value: object, place: Place) -> tuple[str, ...]:
    words = value if isinstance(value, list) else [value]
    if not words:
        place.fault("is an empty list, expected at least one bay kind")
    named = {word for word in words if isinstance(word, str) and _word(word, BAY_KINDS, place)}
    for word in words:
        if not isinstance(word, str):
            place.fault("is missing" if word is None else f"is {word!r}, expected one of {', '.join(BAY_KINDS)}")
    return tuple(kind for kind in BAY_KINDS if kind in named)


def _windows(value: object, place: Place) -> list[Window]:
    if value is None:
        place.fault("is missing")
        return []
    windows = []
    for index, item in enumerate(_list(value, place)):
        here = place.at(index)
        if not isinstance(item, dict):
            here.fault("is not an object")
            continue
        here.warn_of_unknown(item, _WINDOW)
        noted = len(here.findings.faults)
        days = _days(item.get("days"), here.at("days"))
        start = _hours(item.get("from"), here.at("from"))
        end = _hours(item.get("to"), here.at("to"))
        bays = _whole(item.get("bays"), here.at("bays"), high=MOST_BAYS, required=True)
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


def _closures(value: object, place: Place) -> tuple[Closure, ...]:
    closures = []
    for index, item in enumerate(_list(value, place, default=())):
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
        closures.append(Closure(start, end, _optional_text(item, "reason", here) or ""))
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


def _no_movement(value: object, place: Place) -> tuple[int, int] | None:
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


def _list(value: object, place: Place, *, default: Sequence[object] | None = None) -> Sequence[object]:
    if value is None and default is not None:
        return default
    if not isinstance(value, list):
        place.fault(f"is {value!r}, expected a list")
        return ()
    return value


def _word(value: object, words: Sequence[str], place: Place) -> str:
    if value not in words:
        place.fault("is missing" if value is None else f"is {value!r}, expected one of {', '.join(words)}")
        return ""
    return str(value)


def _optional_text(properties: Mapping[str, object], key: str, place: Place) -> str | None:
    value = properties.get(key)
    if value is not None and not isinstance(value, str):
        place.at(key).fault(f"is {value!r}, expected a text")
        return None
    return value


def _number(value: object, place: Place, *, high: float, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
        place.fault(f"is {value!r}, expected {what} between 0 and {high:g}")
        return None
    return float(value)


def _whole(value: object, place: Place, *, high: int, required: bool = False) -> int | None:
    if value is None:
        if required:
            place.fault("is missing")
        return None
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not 0 <= value <= high:  # type: ignore[operator]  # a number by now
        place.fault(f"is {value!r}, expected a whole number between 0 and {high}")
        return None
    return int(value)  # type: ignore[call-overload, no-any-return]
