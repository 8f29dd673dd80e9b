"""Places of an OpenStreetMap file as offers: what the map knows of them, with the hours their owner names."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import mapping

from api.errors import Fault
from api.facilities.errors import UnusableFacilities
from api.facilities.offers import Offers, offers_in
from api.neighbourhoods.files import Findings
from geo.crs import WGS84
from geo.errors import MapFileError
from geo.osm.candidates import Candidate, find_candidates
from geo.osm.features import read_features

FILE = "map.osm"


def read_osm(content: bytes, *, kinds: Sequence[str], window: dict[str, Any]) -> Offers:
    """
    Read car parks, offices, parks and minor roads of an OpenStreetMap XML file.

    Parameters
    ----------
    kinds
        Kinds of facility to take.
    window
        `days`, `from` and `to` of the window that every place opens; how many bays is the map's word or an estimate,
        which stands in `bays_from`.

    Raises
    ------
    UnusableFacilities
        The file is broken or holds no such place, or the window is wrong.
    """
    candidates = [candidate for candidate in _candidates(content) if candidate.kind in kinds]
    if not candidates:
        raise UnusableFacilities([Fault(FILE, 1, "file", "holds no place of the kinds asked for")])
    findings = Findings()
    features = [(_feature(candidate, window), 1, ()) for candidate in candidates]
    offers = offers_in(features, findings, crs=WGS84)
    if findings.faults:
        raise UnusableFacilities({_of_all(fault) for fault in findings.faults})
    estimated = sum(candidate.bays_from != "capacity" for candidate in candidates)
    said = f"the bays of {estimated} of {len(candidates)} places are estimates: count them before submitting"
    return Offers(tuple(offers), (said, *findings.warnings) if estimated else tuple(findings.warnings))


def _candidates(content: bytes) -> Sequence[Candidate]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_bytes(content)
        try:
            return find_candidates(read_features(path)).candidates
        except MapFileError as error:
            raise UnusableFacilities([Fault(FILE, 1, "file", error.problem)]) from error


def _feature(candidate: Candidate, window: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "id": candidate.id,
        "name": candidate.name,
        "kind": candidate.kind,
        "bay_groups": [{"id": "std", "kind": "standard", "windows": [{**window, "bays": candidate.bays}]}],
        "bays_from": candidate.bays_from,
    }
    if candidate.entrances:
        properties["entrances"] = [list(entrance) for entrance in candidate.entrances]
    if candidate.max_height_m is not None:
        properties["max_height_m"] = candidate.max_height_m
    return {"type": "Feature", "geometry": _geometry(candidate), "properties": properties}


def _geometry(candidate: Candidate) -> dict[str, Any]:
    """Points, polygons and lines only: of several parts the largest stands for the place."""
    parts = shapely.get_parts(candidate.geometry)
    largest = parts[int(np.argmax(shapely.area(parts) + shapely.length(parts)))]
    geometry = mapping(largest)
    return {"type": geometry["type"], "coordinates": _lists(geometry["coordinates"])}


def _lists(coordinates: Any) -> Any:  # noqa: ANN401 -- nested as deep as the geometry
    return [_lists(part) for part in coordinates] if isinstance(coordinates, tuple) else coordinates


def _of_all(fault: Fault) -> Fault:
    """Say once what is wrong with the window that all places share."""
    return Fault(FILE, 1, fault.field.rpartition(".")[2], fault.message.partition(" (facility")[0])
