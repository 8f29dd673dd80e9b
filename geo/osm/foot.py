"""Which ways people may walk on, by their tags."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

WALKABLE = frozenset(
    {
        *(
            "footway",
            "pedestrian",
            "path",
            "steps",
            "corridor",
            "elevator",
            "platform",
            "track",
            "bridleway",
            "cycleway",
        ),
        *("living_street", "residential", "service", "unclassified", "road"),
        *("tertiary", "tertiary_link", "secondary", "secondary_link", "primary", "primary_link"),
    }
)
"""
`highway` values open to people on foot unless another tag says no (OSM wiki, "OSM tags for routing/Access
restrictions").

Cycleways are among them: along the large roads of Chinese cities they are often the only line drawn for the side of
the road, and without them blocks fall apart into islands.
"""

ON_REQUEST = frozenset({"trunk", "trunk_link"})
"""`highway` values closed to people on foot unless a tag or a sidewalk says yes."""

_UNFINISHED = frozenset({"construction", "proposed", "planned", "abandoned", "razed", "disused"})
_SIDEWALKS = ("sidewalk", "sidewalk:both", "sidewalk:left", "sidewalk:right")
_SIDEWALK_YES = frozenset({"yes", "both", "left", "right"})
_OPEN = frozenset({"yes", "designated", "permissive", "official", "public", "destination", "customers"})
_CLOSED = frozenset(
    {
        "no",
        "private",
        "permit",
        "military",
        "agricultural",
        "forestry",
        "delivery",
        "emergency",
        "use_sidepath",
        "discouraged",
    }
)


class Closed(StrEnum):
    """Why nobody walks on a way."""

    NOT_FOR_PEDESTRIANS = "not for people on foot"
    UNFINISHED = "under construction, planned or abandoned"
    NO_ACCESS = "private or closed to people on foot"
    INDOOR = "indoors"


def closed_on_foot(tags: Mapping[str, str]) -> Closed | None:
    """
    Find the reason why a way with a `highway` tag is closed to people on foot; None where they may walk.

    `foot` decides before `access`; an indoor way counts only where a tag opens it to the public. Gates on the way
    are not looked at: whoever lives behind one can open it.
    """
    highway = tags.get("highway", "")
    foot, access = tags.get("foot"), tags.get("access")
    if highway in _UNFINISHED or tags.get("construction") == "yes":
        return Closed.UNFINISHED
    if foot in _CLOSED or (access in _CLOSED and foot not in _OPEN):
        return Closed.NO_ACCESS
    opened = foot in _OPEN or any(tags.get(key) in _SIDEWALK_YES for key in _SIDEWALKS)
    if highway not in WALKABLE and not (highway in ON_REQUEST and opened):
        return Closed.NOT_FOR_PEDESTRIANS
    if tags.get("motorroad") == "yes" and not opened:
        return Closed.NOT_FOR_PEDESTRIANS
    if _indoors(tags) and not (foot in _OPEN or access in _OPEN):
        return Closed.INDOOR
    return None


def _indoors(tags: Mapping[str, str]) -> bool:
    return tags.get("indoor", "no") != "no" or tags.get("highway") == "corridor"
