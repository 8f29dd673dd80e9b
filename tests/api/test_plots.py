"""A plan in three pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.pages.plots import UnknownPicture, draw_plots
from api.planning.allocate import allocate
from loadtests.cities import City, make_city


@pytest.mark.parametrize(("ending", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_plan_is_drawn_in_the_format_that_the_name_asks_for(tmp_path: Path, ending: str, begins: bytes) -> None:
    city = make_city(City(demands=60, seed=3))
    out = tmp_path / "new folder" / f"plan{ending}"
    draw_plots(city, allocate(city).plan, out)
    assert out.read_bytes().startswith(begins)


def test_a_plan_that_serves_nobody_is_drawn_too(tmp_path: Path) -> None:
    city = make_city(City(demands=20, seed=3, supply=0.01))
    plan = allocate(city).plan
    empty = plan | {"assignments": [], "served": 0, "walk_m": plan["walk_m"] | {"mean": 0}}
    draw_plots(city, empty, tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 1000


def test_an_unknown_ending_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    city = make_city(City(demands=20, seed=3))
    with pytest.raises(UnknownPicture, match=r"does not end in \.png, \.svg or \.pdf"):
        draw_plots(city, allocate(city).plan, tmp_path / "plan.bmp")
    assert not list(tmp_path.iterdir())
