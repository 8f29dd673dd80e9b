"""facilities.geojson: facilities with geometry, bay groups and windows, every fault with the line of its feature."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeGuard

import polars as pl
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from api.neighbourhoods.feature_values import (
    FILE,
    MOST_BAYS,
    Place,
    Unusable,
    hint_for,
    list_of,
    number,
    one_word,
    optional_text,
    whole_number,
)
from api.neighbourhoods.files import Findings, first_repeated, read_text
from api.neighbourhoods.model import BAY_KINDS, FACILITY_KINDS, BayGroup, Facility
from api.neighbourhoods.read_hours import read_closures, read_no_movement, read_windows
from api.neighbourhoods.words import has_control_character

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
LinedFeature = tuple[object, int, tuple[str, ...]]
"""A feature, the line it begins in, and keys that stand twice in it."""


def read_facilities(
    folder: Path, findings: Findings, *, to_wgs84: Callable[[BaseGeometry], BaseGeometry]
) -> tuple[Facility, ...]:
    """Facilities in file order; those with faults are left out, the faults noted."""
    text = read_text(folder / FILE, findings)
    features = None if text is None else features_in(text, findings)
    return () if features is None else facilities_in(features, findings, to_wgs84=to_wgs84)


def features_in(text: str, findings: Findings) -> list[LinedFeature] | None:
    """Read a FeatureCollection's features with the line each begins in and the keys it repeats; None after a fault."""
    try:
        features = _features_with_lines(text)
    except json.JSONDecodeError as error:
        findings.fault(FILE, error.lineno, "file", f"is not JSON: {error.msg} (column {error.colno})")
        return None
    except (ValueError, OverflowError) as error:  # a number of thousands of digits, half of a character
        findings.fault(FILE, 1, "file", f"is not JSON that can be used: {error}")
        return None
    except RecursionError:
        findings.fault(FILE, 1, "file", "is nested too deeply to be GeoJSON")
        return None
    if features is None:
        findings.fault(FILE, 1, "file", "is not a GeoJSON FeatureCollection with a list of features")
    return features


def facilities_in(
    features: Sequence[LinedFeature], findings: Findings, *, to_wgs84: Callable[[BaseGeometry], BaseGeometry]
) -> tuple[Facility, ...]:
    """Read features as facilities, in order; those with faults are left out, the faults noted."""
    facilities: list[Facility] = []
    seen: dict[str, int] = {}
    places = places_of(features, findings)
    for (feature, line, repeated), place in zip(features, places, strict=True):
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


def places_of(features: Sequence[LinedFeature], findings: Findings) -> list[Place]:
    """Say where each feature stands: by its line, and by its id where several share one."""
    crowded = {line for line, count in Counter(line for _, line, _ in features).items() if count > 1}
    places = []
    for index, (feature, line, _) in enumerate(features):
        place = Place(findings, line)
        if line in crowded:
            name = _identity(feature)
            place = Place(findings, line, f"features[{index}]", f"facility {name!r}" if name else "no id")
        places.append(place)
    return places


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


def _features_with_lines(text: str) -> list[LinedFeature] | None:
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
    found: list[LinedFeature] = []
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
        if key not in _PROPERTIES and (hint := hint_for(key, _PROPERTIES)):  # others are free
            place.warn(f"{key!r} is not known and is ignored{hint}")
    geometry = read_geometry(feature.get("geometry"), place.at("geometry"), to_wgs84=to_wgs84)
    price = whole_number(properties.get("monthly_price_cents"), place.at("monthly_price_cents"), high=10**12)
    facility = {
        "name": optional_text(properties, "name", place) or identity or "",
        "kind": one_word(properties.get("kind"), FACILITY_KINDS, place.at("kind")),
        "bay_groups": _bay_groups(properties.get("bay_groups"), place.at("bay_groups")),
        "entrances": _entrances(properties.get("entrances"), place.at("entrances"), to_wgs84),
        "max_height_m": number(properties.get("max_height_m"), place.at("max_height_m"), high=100, what="metres"),
        "monthly_price_cents": price,
        "buffer_bays": whole_number(properties.get("buffer_bays"), place.at("buffer_bays"), high=MOST_BAYS) or 0,
        "closures": read_closures(properties.get("closures"), place.at("closures")),
        "no_movement": read_no_movement(properties.get("no_movement"), place.at("no_movement")),
    }
    if len(place.findings.faults) > noted or geometry is None or identity is None:
        return None
    return Facility(id=identity, geometry=geometry, **facility)  # type: ignore[arg-type]  # typed by their makers


def read_geometry(
    value: object,
    place: Place,
    *,
    to_wgs84: Callable[[BaseGeometry], BaseGeometry],
    types: Sequence[str] = GEOMETRY_TYPES,
) -> BaseGeometry | None:
    """Read a GeoJSON geometry of one of some types; None after a fault."""
    if not isinstance(value, dict) or value.get("type") not in types:
        kind = value.get("type") if isinstance(value, dict) else value
        place.fault(f"is {kind!r}, expected {' or '.join((', '.join(types[:-1]), types[-1]) if types[1:] else types)}")
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
    for index, pair in enumerate(list_of(value, place, default=())):
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
    for index, item in enumerate(list_of(value, place)):
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
                windows=tuple(read_windows(item.get("windows"), here.at("windows"))),
            )
        )
    return tuple(groups)


def _kinds(value: object, place: Place) -> tuple[str, ...]:
    words = value if isinstance(value, list) else [value]
    if not words:
        place.fault("is an empty list, expected at least one bay kind")
    named = {word for word in words if isinstance(word, str) and one_word(word, BAY_KINDS, place)}
    for word in words:
        if not isinstance(word, str):
            place.fault("is missing" if word is None else f"is {word!r}, expected one of {', '.join(BAY_KINDS)}")
    return tuple(kind for kind in BAY_KINDS if kind in named)
