"""The made-up city of Singapore's size."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from loadtests.made_singapore import BAYS, BLOCKS, CAR_PARKS, write_made_singapore


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    assert write_made_singapore(folder) == (BLOCKS, CAR_PARKS, 20_000)
    return folder


@pytest.fixture(scope="module")
def city(written: Path) -> Neighbourhood:
    return read_folder(written)


def test_the_made_city_is_as_large_as_the_real_one(city: Neighbourhood) -> None:
    assert city.name == "A made-up city of Singapore's size"
    assert len(city.facilities) == 1748
    bays = [group.windows[0].bays for facility in city.facilities for group in facility.bay_groups]
    assert sum(bays) == BAYS
    assert min(bays) >= 1
    assert city.homes.height == 10_000


def test_the_same_seed_gives_the_same_city(written: Path, tmp_path: Path) -> None:
    write_made_singapore(tmp_path / "again")
    write_made_singapore(tmp_path / "other", seed=2)
    for name in ("facilities.geojson", "homes.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (written / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (written / name).read_bytes()
