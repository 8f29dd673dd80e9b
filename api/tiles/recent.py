"""Tiles of whole cities, made once for everybody who looks at them in the same moments."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

KEPT_S = 15.0
"""As long as browsers keep a tile: nobody sees older ones for it."""
_MOST_TILES = 256

Key = tuple[int, int, int]


@dataclass(slots=True)
class RecentTiles:
    """
    Tiles far out count every bay of a city, a fifth of a second's work that everybody asks for at once.

    They are made one after the other, so that a second request for the same tile waits for the first one's.
    """

    _tiles: dict[Key, tuple[float, bytes]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, key: Key, make: Callable[[], bytes]) -> bytes:
        """Return a recent tile, or make it."""
        with self._lock:
            now = time.monotonic()
            known = self._tiles.get(key)
            if known is not None and now < known[0]:
                return known[1]
            tile = make()
            self._tiles = {other: entry for other, entry in self._tiles.items() if now < entry[0]}
            if len(self._tiles) < _MOST_TILES:
                self._tiles[key] = time.monotonic() + KEPT_S, tile
            return tile
