"""Made-up bays and share windows for the candidate facilities of a map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.osm.candidates import Candidate

SYNTHETIC = "(synthetic bays)"
"""Stands in the name of every facility, so that nobody takes its bays for real."""

_KIND_NAMES = {
    "park_garage": "Park garage",
    "office_tower": "Office garage",
    "public_car_park": "Car park",
    "off_peak_road": "Road",
}
_EV_SHARE = 0.1
_ACCESSIBLE_SHARE = 0.03
_ROUNDS = 60

Window = dict[str, Any]


def bays_to_share(
    candidates: Sequence[Candidate], *, bays: int, rng: np.random.Generator, fixed: Mapping[str, int]
) -> NDArray[np.int64]:
    """
    Share out about `bays` bays over the candidates, in proportion to what each may hold.

    Parameters
    ----------
    fixed
        Bays of some candidates by id, taken as they are.

    Returns
    -------
    ndarray
        (F,) at least one each; never more than a candidate holds unless fixed.
    """
    holds = np.array([candidate.bays for candidate in candidates], dtype=np.float64)
    luck = rng.uniform(0.6, 1.4, len(candidates))
    given = np.array([fixed.get(candidate.id, 0) for candidate in candidates], dtype=np.int64)

    def shared(scale: float) -> NDArray[np.int64]:
        ours = np.clip(np.rint(holds * luck * scale), 1, holds).astype(np.int64)
        return np.where(given > 0, given, ours)

    low, high = 0.0, 2.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if shared(middle).sum() < bays else (low, middle)
    return shared(high)


def facility_features(
    candidates: Sequence[Candidate], bays: NDArray[np.int64], near: Sequence[str | None], *, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """
    Make the GeoJSON features of the facilities.

    Parameters
    ----------
    near
        (F,) a street each candidate is near, for those without a name.
    """
    named = Counter(_plain_name(candidate, street) for candidate, street in zip(candidates, near, strict=True))
    numbers: Counter[str] = Counter()
    features = []
    for candidate, count, street in zip(candidates, bays.tolist(), near, strict=True):
        name = _plain_name(candidate, street)
        numbers[name] += 1
        numbered = f"{name} no. {numbers[name]}" if named[name] > 1 else name
        features.append(_feature(candidate, count, f"{numbered} {SYNTHETIC}", rng=rng))
    return features


def _plain_name(candidate: Candidate, street: str | None) -> str:
    if candidate.name:
        return candidate.name
    return f"{_KIND_NAMES[candidate.kind]}, {street}" if street else _KIND_NAMES[candidate.kind]


def _feature(candidate: Candidate, bays: int, name: str, *, rng: np.random.Generator) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "id": candidate.id,
        "name": name,
        "kind": candidate.kind,
        "synthetic": True,
        "monthly_price_cents": int(rng.integers(10, 51)) * 1000,
        "bay_groups": _bay_groups(candidate.kind, bays, rng=rng),
    }
    if candidate.entrances:
        properties["entrances"] = [list(entrance) for entrance in candidate.entrances]
    if candidate.max_height_m or candidate.underground:
        properties["max_height_m"] = candidate.max_height_m or float(rng.choice([2.0, 2.1, 2.2]))
    if candidate.kind == "office_tower":
        properties["buffer_bays"] = max(1, round(bays * 0.05)) if bays > 4 else 0
    if candidate.kind == "off_peak_road" and rng.random() < 0.3:
        properties["no_movement"] = {"from": "23:00", "to": "06:00"}
    return {"type": "Feature", "geometry": _geometry(candidate), "properties": properties}


def _geometry(candidate: Candidate) -> dict[str, Any]:
    """Points, polygons and lines only: of several parts the largest stands for the place."""
    parts = shapely.get_parts(candidate.geometry)
    size = shapely.area(parts) + shapely.length(parts)
    whole = shapely.set_precision(parts[int(np.argmax(size))], 1e-7, mode="pointwise")
    geometry: dict[str, Any] = shapely.geometry.mapping(whole)
    return geometry


def _bay_groups(kind: str, bays: int, *, rng: np.random.Generator) -> list[dict[str, Any]]:
    on_road = kind == "off_peak_road"
    ev = round(bays * _EV_SHARE) if not on_road and bays >= 10 else 0
    accessible = max(1, round(bays * _ACCESSIBLE_SHARE)) if not on_road and bays >= 20 else 0
    hours = _hours(kind, rng=rng)
    groups = []
    for name, count in (("standard", bays - ev - accessible), ("ev", ev), ("accessible", accessible)):
        if count:
            windows = [{**window, "bays": _bays_in(window, count)} for window in hours]
            groups.append({"id": "std" if name == "standard" else name, "kind": name, "windows": windows})
    return groups


def _hours(kind: str, *, rng: np.random.Generator) -> list[Window]:
    """Choose share windows as schemes of the kind have them."""
    if kind == "park_garage":
        return [{"days": "daily", "from": "18:00", "to": "32:00", "last_entry": str(rng.choice(["22:00", "22:30"]))}]
    if kind == "office_tower":
        opens, closes = str(rng.choice(["17:00", "18:00"])), str(rng.choice(["31:30", "32:00", "32:30"]))
        return [
            {"days": "workdays", "from": opens, "to": closes},
            {"days": "rest_days", "from": "00:00", "to": closes},
        ]
    if kind == "off_peak_road":
        return [
            {"days": "daily", "from": "19:00", "to": "31:00", "season": ["10-01", "04-30"]},
            {"days": "daily", "from": "20:00", "to": "31:00", "season": ["05-01", "09-30"]},
        ]
    return [{"days": "daily", "from": "17:30", "to": str(rng.choice(["31:30", "32:00"]))}]


def _bays_in(window: Window, bays: int) -> int:
    """Give more bays on rest days, when the owner's own people stay away."""
    return bays + bays // 5 if window["days"] == "rest_days" else bays
