"""What a base map shows: streets, buildings, parks and water, each shape with its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from geo.osm.features import Feature, MapFeatures

LAYERS = ("streets", "buildings", "parks", "water")

ATTRIBUTION = "© OpenStreetMap contributors (ODbL 1.0)"

_UNBUILT = frozenset({"construction", "proposed", "planned", "abandoned", "razed", "disused", "no"})
_LEISURE = frozenset({"park", "garden", "golf_course", "nature_reserve", "dog_park", "playground", "common"})
_GREEN_LAND = frozenset(
    {
        "forest",
        "grass",
        "meadow",
        "recreation_ground",
        "village_green",
        "cemetery",
        "allotments",
        "flowerbed",
        "greenfield",
    }
)
_GREEN_NATURE = frozenset({"wood", "scrub", "grassland", "heath"})
_WATERCOURSES = frozenset({"river", "stream", "canal", "drain", "ditch"})


def base_map_layers(features: MapFeatures) -> dict[str, list[tuple[Feature, str]]]:
    """Sort the features of a map into `LAYERS`, each with its class; what no layer shows is in none."""
    layers: dict[str, list[tuple[Feature, str]]] = {layer: [] for layer in LAYERS}
    for feature in (*features.lines, *features.areas):
        for layer, class_of in _CLASSES.items():
            found = class_of(feature)
            if found is not None:
                layers[layer].append((feature, found))
                break
    return layers


def _street(feature: Feature) -> str | None:
    highway = feature.tags.get("highway", "no")
    return None if highway in _UNBUILT or "building" in feature.tags else highway.removesuffix("_link")


def _building(feature: Feature) -> str | None:
    building = feature.tags.get("building", "no")
    return None if building in _UNBUILT or not _is_area(feature) else building


def _park(feature: Feature) -> str | None:
    if not _is_area(feature):
        return None
    for key, shown in (("leisure", _LEISURE), ("landuse", _GREEN_LAND), ("natural", _GREEN_NATURE)):
        if feature.tags.get(key) in shown:
            return feature.tags[key]
    return None


def _water(feature: Feature) -> str | None:
    tags = feature.tags
    if tags.get("tunnel", "no") != "no":
        return None
    if _is_area(feature):
        is_water = tags.get("natural") == "water" or tags.get("waterway") == "riverbank"
        return tags.get("water", "water") if is_water or tags.get("landuse") in ("reservoir", "basin") else None
    return tags["waterway"] if tags.get("waterway") in _WATERCOURSES else None


def _is_area(feature: Feature) -> bool:
    return feature.geometry.geom_type in ("Polygon", "MultiPolygon")


_CLASSES: Mapping[str, Callable[[Feature], str | None]] = {
    "buildings": _building,
    "streets": _street,
    "water": _water,
    "parks": _park,
}
"""Layer → finds the class of a shape on it, None where it is not on it; the first layer that shows a shape has it."""
