"""The browser's libraries, as they were installed beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from api.errors import ApiError

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
"""Our own style sheet and scripts."""
TEMPLATES = _HERE / "templates"
_MODULES = _HERE / "node_modules"


class AssetsMissing(ApiError):
    """The libraries that draw the map are not installed."""


@dataclass(frozen=True, slots=True)
class PageAssets:
    """Folders of the libraries."""

    maplibre: Path
    pmtiles: Path


def page_assets(modules: Path = _MODULES) -> PageAssets:
    """
    Find the libraries.

    Raises
    ------
    AssetsMissing
        They are not there; the sentence says how to get them.
    """
    assets = PageAssets(maplibre=modules / "maplibre-gl/dist", pmtiles=modules / "pmtiles/dist")
    wanted = (
        assets.maplibre / "maplibre-gl.mjs",
        assets.maplibre / "maplibre-gl-worker.mjs",
        assets.pmtiles / "pmtiles.js",
    )
    if not all(file.is_file() for file in wanted):
        raise AssetsMissing("the libraries that draw the map are not installed: run ./dev setup once.")
    return assets
