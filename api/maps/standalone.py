"""The page of a plan as one HTML file that opens from a disk, without a server and without a network."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from api.neighbourhoods.model import Neighbourhood
from api.pages.assets import STATIC, page_assets
from api.pages.map_data import embedded_json, map_data
from api.pages.rendering import render
from api.pages.view import build_view

_BOOT = Path(__file__).parent / "boot.mjs"


def write_map(
    neighbourhood: Neighbourhood,
    plan: Mapping[str, Any],
    certificate: Mapping[str, Any] | None,
    out: Path,
    *,
    extra: Mapping[str, Mapping[str, object]] | None = None,
    streets_geojson: Mapping[str, Any] | None = None,
) -> None:
    """
    Write the map of a plan.

    Parameters
    ----------
    plan, certificate
        Contents of plan.json and certificate.json.
    extra
        By facility id, what its file says beyond the rules (`synthetic`).
    streets_geojson
        The base map: GeoJSON by layer (`streets`, `buildings`, `parks`, `water`), or None.

    Raises
    ------
    AssetsMissing
        The browser's libraries are not installed.
    """
    assets = page_assets()
    view = build_view(
        neighbourhood, plan=plan, certificate=certificate, extra=extra or {}, has_streets=streets_geojson is not None
    )
    boot = _BOOT.read_text(encoding="utf-8")
    page = render(
        "map_file.html",
        view=view,
        others=(),
        icon="data:image/svg+xml;base64," + base64.b64encode((STATIC / "icon.svg").read_bytes()).decode(),
        map_json=embedded_json(map_data(view, base=streets_geojson)),
        library_style=_css(assets.maplibre / "maplibre-gl.css"),
        page_style=_css(STATIC / "page.css"),
        boot=Markup(boot),
        boot_sha256=base64.b64encode(hashlib.sha256(boot.encode()).digest()).decode(),
        sources={
            "library": _packed(assets.maplibre / "maplibre-gl.mjs"),
            "worker": _packed(assets.maplibre / "maplibre-gl-worker.mjs"),
            "style": _packed(STATIC / "style.mjs"),
            "page": _packed(STATIC / "map.mjs"),
        },
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(out.name + ".unfinished")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(out)


def _packed(path: Path) -> str:
    """Return a script in letters that mean nothing to HTML, a third of its size; equal input gives equal output."""
    return base64.b64encode(gzip.compress(path.read_bytes(), compresslevel=9, mtime=0)).decode()


def _css(path: Path) -> Markup:
    """Return a style sheet for a style element; ours and the library's hold no end tag."""
    text = path.read_text(encoding="utf-8")
    if "</" in text:
        raise ValueError(f"{path.name} holds an end tag")
    return Markup(text)
