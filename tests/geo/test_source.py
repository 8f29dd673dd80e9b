"""A broken or cut map file is never mistaken for a complete one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo.errors import GeoError, MapFileError, TruncatedMapError
from geo.osm.features import read_features
from geo.osm.source import require_map_file
from geo.osm.streets import read_streets
from tests.geo.conftest import DrawMap

READERS = [read_streets, read_features]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("kept", [1, 3, 4, 10, 100, 1000, 0.25, 0.5, 0.9, -1])
def test_a_cut_pbf_is_refused_by_name(siping: Path, tmp_path: Path, read: object, kept: float) -> None:
    whole = siping.read_bytes()
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(whole[: int(kept * len(whole)) if 0 < kept < 1 else int(kept)])
    with pytest.raises(TruncatedMapError, match=r"cut\.osm\.pbf: ends .*fetch it again"):
        read(cut)  # type: ignore[operator]  # one of READERS


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 1.0, exclude_max=True))
def test_a_pbf_cut_inside_a_block_is_refused_wherever_it_is_cut(siping: Path, tmp_path: Path, share: float) -> None:
    whole = siping.read_bytes()
    length = int(share * len(whole))
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(whole[:length])
    if length in _block_ends(whole):
        return
    with pytest.raises(GeoError, match=r"cut\.osm\.pbf: "):
        require_map_file(cut)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("kept", [1, 30, 200, 0.3, 0.6, 0.99, -1, -3, -7])
def test_a_cut_xml_file_is_refused_by_name(draw_map: DrawMap, tmp_path: Path, read: object, kept: float) -> None:
    whole = draw_map(
        {i: (i * 10.0, 0.0) for i in range(1, 40)}, [(1, list(range(1, 40)), {"highway": "footway"})]
    ).read_bytes()
    cut = tmp_path / "cut.osm"
    cut.write_bytes(whole[: int(kept * len(whole)) if 0 < kept < 1 else int(kept)])
    with pytest.raises(TruncatedMapError, match=r"cut\.osm: ends before it is complete"):
        read(cut)  # type: ignore[operator]  # one of READERS


def test_a_damaged_pbf_of_full_length_is_refused(siping: Path, tmp_path: Path) -> None:
    damaged = bytearray(siping.read_bytes())
    for at in range(len(damaged) // 2, len(damaged) // 2 + 200):
        damaged[at] ^= 0x5A
    path = tmp_path / "damaged.osm.pbf"
    path.write_bytes(damaged)
    with pytest.raises(MapFileError, match=r"damaged\.osm\.pbf: "):
        read_features(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("map.osm", b"", "empty file"),
        ("map.osm.pbf", b"", "empty file"),
        ("map.geojson", b"{}", r"must end in \.osm or \.osm\.pbf"),
        ("map.pbf.zip", b"PK", r"must end in \.osm or \.osm\.pbf"),
        ("map.osm", b'{"type": "FeatureCollection"}', "not an OpenStreetMap XML file"),
        ("map.osm", b"<html><body/></html>", "cannot be read as OpenStreetMap data"),
        ("map.osm", b"\x1f\x8b\x08\x00gzip", "not an OpenStreetMap XML file"),
        ("map.osm.pbf", b"<?xml version='1.0'?><osm version='0.6'/>", "not a PBF file"),
        ("map.osm.pbf", b"\x00\x00\x00\x0d" + b"\xff" * 40, "not a PBF file"),
    ],
)
def test_a_file_of_the_wrong_kind_is_named_with_what_is_wrong(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MapFileError, match=rf"{name}: .*{said}"):
        read_streets(path)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MapFileError, match="no such file"):
        read_streets(tmp_path / "none.osm")
    (tmp_path / "folder.osm").mkdir()
    with pytest.raises(MapFileError, match="not a file"):
        read_streets(tmp_path / "folder.osm")


def test_a_pbf_cut_between_blocks_is_warned_about(siping: Path, tmp_path: Path) -> None:
    whole = siping.read_bytes()
    ends = _block_ends(whole)
    cut = tmp_path / "cut.osm.pbf"
    cut.write_bytes(whole[: ends[-2]])
    # What is left is a valid file in every byte; only the missing relations tell.
    assert any("may have been cut off" in warning for warning in read_streets(cut).warnings())
    assert not any("may have been cut off" in warning for warning in read_streets(siping).warnings())


def _block_ends(whole: bytes) -> list[int]:
    """Where the blocks end, found without the reader: a length, a header whose last varint is the size of the blob."""
    at, ends = 0, [0]
    while at < len(whole):
        header_bytes = int.from_bytes(whole[at : at + 4], "big")
        header = whole[at + 4 : at + 4 + header_bytes]
        size = shift = 0
        for byte in header[header.rindex(b"\x18") + 1 :]:
            size |= (byte & 0x7F) << shift
            shift += 7
        at += 4 + header_bytes + size
        ends.append(at)
    return ends
