"""A writer of PMTiles archives (version 3): map tiles in one file that web servers can serve by byte ranges."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Tile = tuple[int, int, int]
"""(zoom, x, y), y counted from the north."""

_VERSION = 3
_HEADER_BYTES = 127
_ROOT_BYTES = 16_384 - _HEADER_BYTES
"""Readers fetch the first 16 KiB and expect header and root directory in them (PMTiles specification, section 3)."""
_LEAF_ENTRIES = 4096
_GZIP, _MVT = 2, 1
_E7 = 10_000_000


@dataclass(frozen=True, slots=True)
class _Entry:
    tile_id: int
    offset: int
    length: int
    run_length: int


def write_pmtiles(
    out: Path, tiles: Mapping[Tile, bytes], *, bounds: tuple[float, float, float, float], metadata: Mapping[str, Any]
) -> None:
    """
    Write vector tiles to a PMTiles archive; equal input gives equal bytes.

    Parameters
    ----------
    tiles
        Uncompressed MVT by tile; at least one.
    bounds
        (min_lon, min_lat, max_lon, max_lat) in degrees.
    metadata
        Goes into the archive as JSON; `vector_layers` names the layers.
    """
    data, entries, num_contents = _tile_data(tiles)
    root, leaves = _directories(entries)
    described = gzip.compress(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0)
    zooms = [zoom for zoom, _, _ in tiles]
    root_at = _HEADER_BYTES
    metadata_at = root_at + len(root)
    leaves_at = metadata_at + len(described)
    data_at = leaves_at + len(leaves)
    west, south, east, north = (round(degrees * _E7) for degrees in bounds)
    header = b"PMTiles" + struct.pack(
        "<B11Q6B4iB2i",
        _VERSION,
        *(root_at, len(root), metadata_at, len(described), leaves_at, len(leaves), data_at, len(data)),
        *(len(tiles), len(entries), num_contents),
        *(1, _GZIP, _GZIP, _MVT, min(zooms), max(zooms)),
        *(west, south, east, north),
        *((min(zooms) + max(zooms)) // 2, (west + east) // 2, (south + north) // 2),
    )
    out.write_bytes(header + root + described + leaves + data)


def tile_id(zoom: int, x: int, y: int) -> int:
    """Count the tiles before one along the Hilbert curve of its zoom, all tiles of the zooms above it included."""
    before = ((1 << 2 * zoom) - 1) // 3
    along = 0
    side = (1 << zoom) // 2
    while side:
        right, low = int(bool(x & side)), int(bool(y & side))
        along += side * side * ((3 * right) ^ low)
        if not low:
            if right:
                x, y = side - 1 - (x & (side - 1)), side - 1 - (y & (side - 1))
            x, y = y, x
        side //= 2
    return before + along


def _tile_data(tiles: Mapping[Tile, bytes]) -> tuple[bytes, list[_Entry], int]:
    """Put tiles one behind the other in order of their ids, each content once."""
    data = bytearray()
    at: dict[bytes, tuple[int, int]] = {}
    entries: list[_Entry] = []
    for number, tile in sorted((tile_id(*tile), tile) for tile in tiles):
        content = tiles[tile]
        if content not in at:
            packed = gzip.compress(content, mtime=0)
            at[content] = (len(data), len(packed))
            data += packed
        offset, length = at[content]
        last = entries[-1] if entries else None
        if last and last.offset == offset and last.tile_id + last.run_length == number:
            entries[-1] = _Entry(last.tile_id, offset, length, last.run_length + 1)
        else:
            entries.append(_Entry(number, offset, length, 1))
    return bytes(data), entries, len(at)


def _directories(entries: list[_Entry]) -> tuple[bytes, bytes]:
    root = _directory(entries)
    if len(root) <= _ROOT_BYTES:
        return root, b""
    leaves = bytearray()
    pointers = []
    for start in range(0, len(entries), _LEAF_ENTRIES):
        leaf = _directory(entries[start : start + _LEAF_ENTRIES])
        pointers.append(_Entry(entries[start].tile_id, len(leaves), len(leaf), 0))
        leaves += leaf
    return _directory(pointers), bytes(leaves)


def _directory(entries: list[_Entry]) -> bytes:
    steps = (entry.tile_id - before for entry, before in zip(entries, [0, *(e.tile_id for e in entries)], strict=False))
    offsets = []
    ends_at = -1
    for entry in entries:
        # 0 stands for "right behind the one before".
        offsets.append(0 if entry.offset == ends_at else entry.offset + 1)
        ends_at = entry.offset + entry.length
    return gzip.compress(
        _varints([len(entries)])
        + _varints(steps)
        + _varints(entry.run_length for entry in entries)
        + _varints(entry.length for entry in entries)
        + _varints(offsets),
        mtime=0,
    )


def _varints(values: Iterable[int]) -> bytes:
    out = bytearray()
    for value in values:
        rest = value
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return bytes(out)
