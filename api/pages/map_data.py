"""What the map draws, as GeoJSON, and how it is put into a page safely."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from api.pages.view import View

_DECIMALS = 6
"""A tenth of a metre."""


def map_data(view: View, *, base: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Gather the map's layers.

    Parameters
    ----------
    base
        Where the base map comes from: `{"archive": address}` in the service; in a file GeoJSON by layer (`streets`,
        `buildings`, `parks`, `water`); None without streets.
    """
    return {
        "bounds": bounds_of(view),
        "base": base,
        "attribution": "© OpenStreetMap contributors" if base else "",
        "facilities": _collection(_facility_feature(view, n) for n in range(len(view.facilities))),
        "homes": _collection(_home_feature(view, n) for n in range(len(view.homes))),
        "flows": _collection(_flow_feature(view, n) for n in range(len(view.flows))),
    }


def bounds_of(view: View) -> list[float]:
    """Return [west, south, east, north] of facilities and homes; never a single point."""
    places = [(f.lon, f.lat) for f in view.facilities] + [(h.lon, h.lat) for h in view.homes]
    lons, lats = zip(*(places or [(0.0, 0.0)]), strict=True)
    margin = 0.0005
    corners = [min(lons) - margin, min(lats) - margin, max(lons) + margin, max(lats) + margin]
    return [round(value, _DECIMALS) for value in corners]


def embedded_json(content: object) -> Markup:
    """
    Write JSON for a script element.

    Whatever a name holds, the element ends where we end it: `<`, `>` and `&` are written as escapes, and so are the two
    line separators that older scripts take for line ends.
    """
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _collection(features: Any) -> dict[str, Any]:  # noqa: ANN401 -- an iterable of features
    return {"type": "FeatureCollection", "features": list(features)}


def _point(lon: float, lat: float) -> list[float]:
    return [round(lon, _DECIMALS), round(lat, _DECIMALS)]


def _facility_feature(view: View, n: int) -> dict[str, Any]:
    facility = view.facilities[n]
    properties = {
        "i": n,
        "name": facility.name,
        "kind": facility.kind,
        "bays": facility.bays,
        "households": facility.households,
        "when": "; ".join(dict.fromkeys(window for group in facility.groups for window in group.windows)),
    }
    return _feature(n, "Point", _point(facility.lon, facility.lat), properties)


def _home_feature(view: View, n: int) -> dict[str, Any]:
    home = view.homes[n]
    unmet = home.demands - home.served if view.planned else 0
    properties = {
        "name": home.name,
        "demands": home.demands,
        "served": home.served,
        "unmet": unmet,
        "why": "; ".join(home.reasons),
    }
    return _feature(n, "Point", _point(home.lon, home.lat), properties)


def _flow_feature(view: View, n: int) -> dict[str, Any]:
    flow = view.flows[n]
    home, facility = view.homes[flow.home], view.facilities[flow.facility]
    line = [_point(home.lon, home.lat), _point(facility.lon, facility.lat)]
    properties = {"facility": flow.facility, "households": flow.households, "walk_m": round(flow.walk_m)}
    return _feature(n, "LineString", line, properties)


def _feature(number: int, kind: str, coordinates: list[Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": number,
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": properties,
    }
