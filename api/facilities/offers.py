"""What an owner offers: a facility as the folder describes one, with its price of a night, notice and drawn bays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from api.facilities.drawn_bays import taken_out
from api.facilities.errors import UnusableFacilities
from api.neighbourhoods.exporting import feature_of
from api.neighbourhoods.feature_values import FILE, MOST_BAYS, Place, whole_number
from api.neighbourhoods.files import Findings
from api.neighbourhoods.model import Facility
from api.neighbourhoods.read_facilities import LinedFeature, facilities_in, features_in, places_of
from api.neighbourhoods.supply_rows import KNOWN_PROPERTIES, MOST_CENTS, MOST_NOTICE_DAYS, NOTICE_DAYS, num_bays
from geo.crs import WGS84, geometry_to_wgs84


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """
    A facility with what the service knows of it beyond the folder's rules; everything in WGS 84.

    Attributes
    ----------
    drawn
        Where the bays of a group are, from number 1 on, by the group's id; groups only counted are not in it.
    extra
        Properties that no rule of the folder reads, `night_price_cents` and `notice_days` among them.
    """

    facility: Facility
    drawn: Mapping[str, Sequence[BaseGeometry]] = field(default_factory=dict)
    night_price_cents: int | None = None
    notice_days: int = NOTICE_DAYS
    extra: Mapping[str, object] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the GeoJSON feature that reads back as this offer."""
        feature = feature_of(self.facility, self.extra)
        for group in feature["properties"]["bay_groups"]:
            if places := self.drawn.get(group["id"]):
                group["drawn"] = [json.loads(shapely.to_geojson(place)) for place in places]
        return feature


@dataclass(frozen=True, slots=True)
class Offers:
    """Offers in order, what is odd about them, and the line each begins in by its facility's id."""

    offers: tuple[Offer, ...]
    warnings: tuple[str, ...]
    lines: Mapping[str, int] = field(default_factory=dict)


def read_offer(feature: Mapping[str, Any], *, crs: str = WGS84) -> Offer:
    """
    Read one GeoJSON feature.

    Raises
    ------
    UnusableFacilities
        With every fault by field.
    """
    findings = Findings()
    found = offers_in([(dict(feature), 1, ())], findings, crs=crs)
    if findings.faults:
        raise UnusableFacilities(findings.faults)
    [offer] = found
    return offer


def read_offers(text: str, *, crs: str = WGS84) -> Offers:
    """
    Read a GeoJSON feature collection.

    Raises
    ------
    UnusableFacilities
        With every fault by line and field.
    """
    findings = Findings()
    features = features_in(text, findings)
    offers = [] if features is None else offers_in(features, findings, crs=crs)
    if features == []:
        findings.fault(FILE, 1, "features", "is empty")
    if findings.faults:
        raise UnusableFacilities(findings.faults)
    lines = {offer.facility.id: line for offer, (_, line, _) in zip(offers, features or (), strict=True)}
    return Offers(tuple(offers), tuple(findings.warnings), lines)


def offers_in(features: Sequence[LinedFeature], findings: Findings, *, crs: str) -> list[Offer]:
    """Read features with their lines; those with faults are left out, the faults noted."""
    to_wgs84 = partial(geometry_to_wgs84, crs=crs)
    places = places_of(features, findings)
    kept: list[LinedFeature] = []
    drawn: dict[int, dict[str, list[BaseGeometry]]] = {}
    for index, ((feature, line, repeated), place) in enumerate(zip(features, places, strict=True)):
        _require_storable(feature, place)
        plain, drawn[index] = taken_out(feature, place, to_wgs84=to_wgs84)
        kept.append((plain, line, repeated))
    prices = [_price_and_notice(feature, place) for (feature, _, _), place in zip(kept, places, strict=True)]
    facilities = {facility.id: facility for facility in facilities_in(kept, findings, to_wgs84=to_wgs84)}
    if findings.faults:
        return []
    for place, facility in zip(places, facilities.values(), strict=True):
        bays = sum(num_bays(group) for group in facility.bay_groups)
        if bays > MOST_BAYS:
            place.at("bay_groups").fault(f"have {bays} bays together, expected {MOST_BAYS} at most")
    return [
        Offer(facility, drawn[index], *prices[index], _extra(kept[index][0]))
        for index, facility in enumerate(facilities.values())
    ]


def _price_and_notice(feature: object, place: Place) -> tuple[int | None, int]:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict):
        return None, NOTICE_DAYS
    price = whole_number(properties.get("night_price_cents"), place.at("night_price_cents"), high=MOST_CENTS)
    notice = whole_number(properties.get("notice_days"), place.at("notice_days"), high=MOST_NOTICE_DAYS)
    return price, NOTICE_DAYS if notice is None else notice


def _extra(feature: object) -> dict[str, object]:
    properties = feature["properties"] if isinstance(feature, dict) else {}
    return {key: value for key, value in properties.items() if key not in KNOWN_PROPERTIES}


def _require_storable(feature: object, place: Place) -> None:
    """Note what JSON lets through and the database does not: NaN and infinity, zero characters, half characters."""
    try:
        written = json.dumps(feature, ensure_ascii=False, allow_nan=False)
        written.encode()
    except (ValueError, RecursionError):
        place.fault("holds a number, text or nesting that cannot be stored")
        return
    if "\\u0000" in written and _has_zero_character(feature):
        place.fault("holds a zero character, which cannot be stored")


def _has_zero_character(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_zero_character(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_has_zero_character(part) for part in value)
