"""OpenStreetMap files, opened so that a broken or cut one is never mistaken for a complete one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import osmium

from geo.errors import MapFileError, TruncatedMapError

SUFFIXES = (".osm", ".osm.pbf")

_MAX_BLOB_HEADER_BYTES = 64 * 1024
_MAX_BLOB_BYTES = 32 * 1024 * 1024
"""Limits of the PBF format (OSM wiki, "PBF Format"); anything above is not such a file."""


def require_map_file(path: Path) -> Path:
    """
    Check everything about a map file that can be known without decoding it.

    A PBF file carries no end mark; its blocks are walked by their lengths, which finds every cut except one that
    falls exactly between two blocks (`geo.osm.streets` warns about files that stop before their relations).

    Raises
    ------
    MapFileError
        If the file is missing, no file, empty, has another ending than `SUFFIXES` or is not what the ending says.
    TruncatedMapError
        If a PBF file stops inside a block.
    """
    if not path.is_file():
        raise MapFileError(path, "no such file" if not path.exists() else "not a file")
    if not path.name.lower().endswith(SUFFIXES):
        raise MapFileError(path, "a map file must end in .osm or .osm.pbf")
    if path.stat().st_size == 0:
        raise MapFileError(path, "empty file")
    with path.open("rb") as stream:
        if is_pbf(path):
            _require_whole_blocks(path, stream)
        else:
            _require_xml(path, stream)
    return path


def is_pbf(path: Path) -> bool:
    """Tell whether the name promises the binary format."""
    return path.name.lower().endswith(".pbf")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what osmium says about a file into errors that name the file."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        said = str(error)
        if is_pbf(path):
            cut = "EOF" in said or "truncated" in said
        else:
            cut = "no element found" in said or "unclosed token" in said
        if cut:
            raise TruncatedMapError(path, f"ends before it is complete ({said}); fetch it again") from error
        raise MapFileError(path, f"cannot be read as OpenStreetMap data: {said}") from error


def open_map(path: Path, entities: osmium.osm.osm_entity_bits = osmium.osm.ALL) -> osmium.FileProcessor:
    """Open a map file that has passed `require_map_file`; iterate inside `reading(path)`."""
    return osmium.FileProcessor(osmium.io.File(str(path), "pbf" if is_pbf(path) else "osm"), entities)


def _require_xml(path: Path, stream: IO[bytes]) -> None:
    start = stream.read(512).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"<"):
        raise MapFileError(path, "not an OpenStreetMap XML file (it does not begin with '<')")


def _require_whole_blocks(path: Path, stream: IO[bytes]) -> None:
    size = path.stat().st_size
    at, block = 0, 0
    while at < size:
        block += 1
        stream.seek(at)
        head = stream.read(4)
        if len(head) < 4:
            raise TruncatedMapError(path, f"ends inside the length of block {block}, at byte {size}; fetch it again")
        (header_bytes,) = struct.unpack(">I", head)
        if not 0 < header_bytes <= _MAX_BLOB_HEADER_BYTES:
            raise MapFileError(path, f"not a PBF file, or damaged: block {block} at byte {at} has no valid header")
        header = stream.read(header_bytes)
        if len(header) < header_bytes:
            raise TruncatedMapError(path, f"ends inside the header of block {block}, at byte {size}; fetch it again")
        kind, blob_bytes = _blob_header(path, header, block=block)
        if (block == 1) != (kind == b"OSMHeader"):
            raise MapFileError(path, f"not a PBF file, or damaged: block {block} is of type {kind!r}")
        at += 4 + header_bytes + blob_bytes
        if at > size:
            raise TruncatedMapError(path, f"ends {at - size} bytes before the end of block {block}; fetch it again")
    if block < 2:
        raise TruncatedMapError(path, "ends after its header, without any data; fetch it again")


def _blob_header(path: Path, header: bytes, *, block: int) -> tuple[bytes, int]:
    """Read type and data size from a protobuf `BlobHeader` (fields 1 and 3)."""
    kind, blob_bytes = b"", -1
    at = 0
    try:
        while at < len(header):
            key, at = _varint(header, at)
            value, at = _varint(header, at)
            if key & 7 == 2:
                if key >> 3 == 1:
                    kind = header[at : at + value]
                at += value
            elif key & 7 != 0:
                raise IndexError
            elif key >> 3 == 3:
                blob_bytes = value
    except IndexError:
        blob_bytes = -1
    if not 0 <= blob_bytes <= _MAX_BLOB_BYTES:
        raise MapFileError(path, f"not a PBF file, or damaged: the header of block {block} makes no sense")
    return kind, blob_bytes


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
