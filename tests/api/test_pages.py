"""The page: complete without a script, and safe whatever a name holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from html.parser import HTMLParser
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from shapely.geometry import Point
from sqlalchemy import Engine

from api.app import create_app
from api.neighbourhoods.importing import import_folder
from api.neighbourhoods.model import Closure, Facility, Window
from api.neighbourhoods.read import read_folder
from api.pages.assets import AssetsMissing, page_assets
from api.pages.certificate import certificate_words, gap_m, metres_words
from api.pages.charts import Bars, upright_chart
from api.pages.hours import hourly_use
from api.pages.map_data import embedded_json
from api.pages.view import View, build_view
from api.pages.words import date_words, limits_words, price_words, window_words
from api.serving import listening_socket
from api.settings import Settings
from tests.api.browser import CHROMIUM, opened

HERE = "http://127.0.0.1"


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(), engine), base_url=HERE) as client:
        yield client


class Page(HTMLParser):
    """What a browser finds in a page: elements with their attributes, visible text, and the map's data."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.data = ""
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.words += data
        elif self._inside[-1] == "script" and data.lstrip().startswith('{"bounds"'):
            self.data += data


def shown(client: TestClient, path: str = "/") -> Page:
    answer = client.get(path)
    assert answer.status_code == 200
    return Page(answer.text)


def view_of(folder: Path, plan: Path | None = None, **changes: object) -> View:
    content = {**json.loads(plan.read_text()), **changes} if plan else None
    certificate = json.loads((plan.parent / "certificate.json").read_text()) if plan else None
    return build_view(read_folder(folder), plan=content, certificate=certificate, extra={}, has_streets=False)


def test_without_a_neighbourhood_the_page_says_how_to_get_one(client: TestClient) -> None:
    assert "baytide import FOLDER" in shown(client).words


def test_the_start_leads_to_the_newest_neighbourhood(client: TestClient, engine: Engine, lane: Path) -> None:
    import_folder(engine, read_folder(lane), lane)
    (lane / "neighbourhood.toml").write_text((lane / "neighbourhood.toml").read_text().replace("Lane 9", "Lane 10"))
    import_folder(engine, read_folder(lane), lane)
    page = shown(client)
    assert "Lane 10" in page.words
    assert ("a", {"href": "/neighbourhoods/lane-9"}) in page.elements


def test_list_figures_and_certificate_are_there_without_a_script(
    client: TestClient, engine: Engine, lane: Path, lane_plan: Path
) -> None:
    import_folder(engine, read_folder(lane), lane, plan=lane_plan)
    words = " ".join(shown(client).words.split())
    for expected in (
        "2 of 4",
        "Park garage (synthetic bays)",
        "every day 18:00 – next day 07:30, in by 22:00 (3 bays)",
        "rest days 00:00 – next day 08:00, 1 Nov to 28 Feb",
        "¥300 a month",
        "no driving in or out 23:00 – 06:00",
        "No plan whatsoever can exceed 25,334 m",
        "At most 6.00 m a household",
        "a list of 1 prices",
        "turned down in review",
        "planner's view",
        "© OpenStreetMap contributors",
        "made by hand",
    ):
        assert expected in words, expected


def test_a_new_plan_is_shown_at_once(client: TestClient, engine: Engine, lane: Path, lane_plan: Path) -> None:
    import_folder(engine, read_folder(lane), lane)
    assert "No plan yet" in shown(client).words
    import_folder(engine, read_folder(lane), lane, plan=lane_plan, replace=True)
    assert "2 of 4" in shown(client).words


def test_the_page_asks_nobody_else_for_anything(
    client: TestClient, engine: Engine, lane: Path, lane_plan: Path
) -> None:
    import_folder(engine, read_folder(lane), lane, plan=lane_plan)
    page = shown(client)
    addresses = [str(own[key]) for _, own in page.elements for key in ("src", "href") if own.get(key)]
    assert len(addresses) > 5
    assert not [address for address in addresses if not address.startswith(("/", "#"))]
    for address in addresses:
        if address.startswith("/"):
            assert client.get(address).status_code == 200, address
    # The policy allows no script and no style in the page itself; data is neither.
    inline = [own for tag, own in page.elements if tag == "script" and "src" not in own]
    assert inline == [{"type": "application/json", "id": "map-data"}]
    assert not [
        own for tag, own in page.elements if tag == "style" or "style" in own or any(k.startswith("on") for k in own)
    ]


@pytest.mark.parametrize("module", ["service.mjs", "map.mjs", "style.mjs"])
def test_our_scripts_are_served_as_scripts(client: TestClient, module: str) -> None:
    assert "javascript" in client.get(f"/assets/{module}").headers["content-type"]


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'\" {{ 7 * 7 }}"


def test_a_hostile_name_is_words_and_nothing_else(
    client: TestClient, engine: Engine, lane: Path, lane_plan: Path
) -> None:
    content = json.loads((lane / "facilities.geojson").read_text())
    content["features"][0]["properties"]["name"] = HOSTILE
    (lane / "facilities.geojson").write_text(json.dumps(content))
    quoted = HOSTILE.replace('"', '""')
    (lane / "homes.csv").write_text(
        f'id,lon,lat,name\nh1,121.5181,31.2661,"{quoted}"\nh2,121.52,31.266,\nh3,121.521,31.2664,\n'
    )
    import_folder(engine, read_folder(lane), lane, plan=lane_plan)
    page = shown(client)
    assert HOSTILE in page.words
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 3
    data = json.loads(page.data)
    assert data["facilities"]["features"][0]["properties"]["name"] == HOSTILE
    assert data["homes"]["features"][0]["properties"]["name"] == HOSTILE


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "]]>", "\u2028\u2029", "&lt;", "\\"])
def test_embedded_json_holds_no_markup_and_reads_back(text: str) -> None:
    embedded = str(embedded_json({text: [text]}))
    assert not re.search("[<>&\u2028\u2029]", embedded)
    assert json.loads(embedded) == {text: [text]}


def test_walks_of_one_home_to_one_facility_are_one_line(lane: Path, lane_plan: Path) -> None:
    [flow] = view_of(lane, lane_plan).flows
    assert (flow.households, flow.walk_m) == (2, 120)


def test_unmet_demand_stands_at_its_home_with_its_reason(lane: Path, lane_plan: Path) -> None:
    homes = view_of(lane, lane_plan).homes
    assert [(home.demands, home.served) for home in homes] == [(2, 2), (1, 0), (1, 0)]
    assert homes[2].name == "西北一楼"
    assert homes[2].reasons == ("1 × turned down in review",)


def test_tiers_are_shown_apart(lane: Path, lane_plan: Path) -> None:
    figures = {figure.name: figure.value for figure in view_of(lane, lane_plan).figures}
    assert (figures["Tier 1"], figures["Tier 2"], figures["Tier 3"]) == ("1 of 1", "1 of 1", "0 of 2")
    assert figures["Mean walk"] == "120 m"


def test_a_neighbourhood_without_anything_is_still_a_page(lane: Path) -> None:
    (lane / "facilities.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    for name in ("walks.csv", "decisions.csv"):
        (lane / name).unlink()
    (lane / "homes.csv").write_text("id,lon,lat\n")
    (lane / "demands.csv").write_text("id,home,days,arrive,leave\n")
    view = view_of(lane)
    assert (view.facilities, view.homes, view.charts) == ((), (), ())


def test_a_plan_that_serves_nobody_is_still_a_page(lane: Path, lane_plan: Path) -> None:
    unserved: list[object] = [{"demand": d, "reason": "full", "options": []} for d in ("d1", "d2", "d3", "d4")]
    view = view_of(lane, lane_plan, assignments=[], served=0, unserved=unserved, value_m=0, bound_m=0)
    assert [chart.title for chart in view.charts] == ["Use by hour", "Unmet demand"]
    assert view.certificate is not None
    assert view.certificate.percent == 100


def test_use_by_hour_counts_bays_and_stays_over_the_term(lane: Path, lane_plan: Path) -> None:
    """
    Check hours by hand; the term has 28 days.

    At 03:00 the park's standard group has two bays each night (three less one kept back; the winter window is
    out of season), its other group one on eight nights (Mondays and Tuesdays), the road two after each workday. d1
    occupies one bay every night but two, for twelve hours.
    """
    neighbourhood = read_folder(lane)
    plan = json.loads(lane_plan.read_text())
    only_daily = [row for row in plan["assignments"] if row["demand"] == "d1"]
    use = hourly_use(neighbourhood, only_daily)
    at_three = use.hours.index(3)
    assert use.occupied[at_three] * 28 == pytest.approx(26)
    assert use.occupied[use.hours.index(12)] == 0
    assert use.occupied.sum() * 28 == pytest.approx(26 * 12)
    # The term has 20 Mondays to Fridays; less 18 Sep (calendar.csv), 25 Sep and 1–7 Oct (five of them); with the
    # make-up days 20 Sep and 10 Oct, and 19 Sep (calendar.csv).
    workdays = 20 - 1 - 1 - 5 + 2 + 1
    assert use.shared[at_three] * 28 == pytest.approx(2 * 28 + 8 + 2 * workdays)


def test_use_by_hour_is_never_more_than_is_shared_where_the_plan_is_right(lane: Path, lane_plan: Path) -> None:
    use = hourly_use(read_folder(lane), json.loads(lane_plan.read_text())["assignments"])
    assert np.all(use.occupied >= 0)
    assert use.shared.shape == use.occupied.shape == (24,)


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (Window("workdays", 1080, 1920, 3), "workdays 18:00 – next day 08:00"),
        (Window("daily", 0, 1440, 3), "every day 00:00 – 24:00"),
        (Window("rest_days", 0, 2880, 3), "rest days 00:00 – next day 24:00"),
        (Window("mon tue", 1260, 1800, 3, 1500), "Mon, Tue 21:00 – next day 06:00, in by next day 01:00"),
        (Window("daily", 60, 90, 3, None, ((5, 1), (9, 30))), "every day 01:00 – 01:30, 1 May to 30 Sep"),
    ],
)
def test_windows_are_said_in_words(window: Window, words: str) -> None:
    assert window_words(window) == words


def garage(**own: Any) -> Facility:  # noqa: ANN401 -- fields of a facility
    return Facility(id="f", name="F", kind="other", geometry=Point(0, 0), bay_groups=(), **own)


@pytest.mark.parametrize(
    ("cents", "country", "words"),
    [
        (None, "CN", None),
        (0, "CN", "free"),
        (30000, "CN", "¥300 a month"),
        (123456, "SG", "S$1,234.56 a month"),
        (500, "XX", "5 a month"),
    ],
)
def test_prices_are_said_in_words(cents: int | None, country: str, words: str | None) -> None:
    assert price_words(garage(monthly_price_cents=cents), country=country) == words


def test_limits_are_said_in_words() -> None:
    closure = Closure(datetime.fromisoformat("2026-12-24T18:00"), datetime.fromisoformat("2026-12-26"), "fair")
    said = limits_words(garage(max_height_m=2.0, no_movement=(1380, 1800), closures=(closure,)))
    assert said == [
        "cars up to 2 m high",
        "no driving in or out 23:00 – 06:00",
        "closed 24 Dec 2026 18:00 – 26 Dec 2026 00:00 (fair)",
    ]


def figures(**own: object) -> dict[str, Any]:
    return {"status": "feasible", "value_m": 1000, "bound_m": 1040, "demands": 20, **own}


def test_the_certificate_says_how_much_may_be_left() -> None:
    words = certificate_words(figures(), {"prices": [1, 2]})
    assert words.headline == "At most 2.00 m a household could be gained by any other plan."
    assert "1,040 m" in words.explanation
    assert "40 m in all" in words.explanation
    assert gap_m(figures()) == 2


def test_a_bound_that_is_reached_says_that_none_is_better() -> None:
    words = certificate_words(figures(bound_m=1000, status="optimal"), {"prices": []})
    assert "Nobody can do better" in words.headline
    assert "so none is better" in words.explanation


def test_an_optimum_below_its_bound_says_how_that_was_shown() -> None:
    words = certificate_words(figures(status="optimal"), {"prices": []})
    assert "Nobody can do better" in words.headline
    assert "trying every case that was left" in words.explanation


def test_without_a_certificate_nothing_is_claimed_to_be_checked() -> None:
    assert "taken on trust" in certificate_words(figures(), None).proof


@pytest.mark.parametrize(("metres", "words"), [(0, "0 m"), (0.001, "1 cm"), (0.5, "0.50 m"), (12.4, "12 m")])
def test_a_small_gap_never_reads_as_none(metres: float, words: str) -> None:
    assert metres_words(metres) == words


def test_a_bar_twice_as_much_is_twice_as_high() -> None:
    chart = upright_chart(
        title="T", summary="S", labels=["a", "b"], series=[Bars("n", (10.0, 20.0), "front")], unit="bays"
    )
    heights = [float(height) for height in re.findall(r'class="front"[^/]*height="([\d.]+)"', chart.svg)]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert chart.rows == (("a", "10"), ("b", "20"))


def test_markup_in_a_label_of_a_chart_is_words() -> None:
    chart = upright_chart(title="<b>", summary='"', labels=["<i>"], series=[Bars("n", (1.0,), "front")], unit="&")
    assert "<b>" not in chart.svg
    assert "<i>" not in chart.svg


def test_missing_libraries_name_the_command_that_installs_them(tmp_path: Path) -> None:
    with pytest.raises(AssetsMissing, match=r"run \./dev setup"):
        page_assets(tmp_path)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to draw with")
@pytest.mark.parametrize("width", [360, 1440])
def test_a_browser_draws_the_page_with_its_base_map(
    engine: Engine, lane: Path, lane_plan: Path, tmp_path: Path, width: int
) -> None:
    import_folder(engine, read_folder(lane), lane, plan=lane_plan)
    with running(create_app(Settings(), engine)) as address, opened("about:blank", profile=tmp_path / "profile") as tab:
        tab.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
        tab.ask("Page.navigate", url=address)
        tab.wait_for_map()
        assert tab.value("document.documentElement.dataset.map") == "idle"
        assert tab.value("document.documentElement.scrollWidth") <= width
        read = "performance.getEntriesByType('resource').map((r) => r.name)"
        assert any(name.endswith("base-map.pmtiles") for name in tab.value(read))
        assert all(name.startswith(("http://127.0.0.1", "blob:")) for name in tab.value(read))
        assert tab.said == []


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """Serve an app on a port of its own."""
    with listening_socket("127.0.0.1", 0) as door:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


def test_a_day_is_said_in_words() -> None:
    assert date_words(date(2026, 12, 1)) == "1 Dec 2026"
