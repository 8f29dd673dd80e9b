"""The service answers, and says plainly when it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from api.app import create_app
from api.db.connection import make_engine
from api.neighbourhoods.importing import import_folder
from api.neighbourhoods.read import read_folder
from api.settings import Settings

HERE = "http://127.0.0.1"


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(), engine), base_url=HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def planned(engine: Engine, client: TestClient, lane: Path, lane_plan: Path) -> TestClient:
    import_folder(engine, read_folder(lane), lane, plan=lane_plan)
    return client


def get(client: TestClient, path: str, **query: str) -> Any:  # noqa: ANN401 -- JSON
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def facility_id(client: TestClient, code: str) -> int:
    features = get(client, "/v1/neighbourhoods/lane-9/facilities")["features"]
    return int(next(f["id"] for f in features if f["properties"]["code"] == code))


def test_a_running_service_is_healthy_and_ready(client: TestClient) -> None:
    assert get(client, "/healthz") == {"status": "ok"}
    assert get(client, "/readyz") == {"status": "ready"}


def test_neighbourhoods_are_listed_with_what_they_hold(planned: TestClient) -> None:
    [found] = get(planned, "/v1/neighbourhoods")
    assert (found["id"], found["name"], found["facilities"], found["homes"], found["demands"]) == (
        "lane-9",
        "Lane 9",
        2,
        3,
        4,
    )
    assert found["has_base_map"] is True


def test_facilities_are_geojson_with_windows_and_bays(planned: TestClient) -> None:
    collection = get(planned, "/v1/neighbourhoods/lane-9/facilities")
    assert collection["type"] == "FeatureCollection"
    park, road = collection["features"]
    assert (park["geometry"]["type"], road["geometry"]["type"]) == ("Polygon", "LineString")
    assert park["properties"]["extra"]["synthetic"] is True
    standard = park["properties"]["bay_groups"][0]
    assert (standard["id"], standard["bays"], standard["kind"]) == ("std", 5, ["standard", "large"])
    window = standard["windows"][0]
    assert (window["days"], window["from"], window["to"], window["last_entry"]) == ("daily", "18:00", "31:30", "22:00")
    assert window["words"] == "every day 18:00 – next day 07:30, in by 22:00"


def test_one_facility_is_the_same_as_in_the_collection(planned: TestClient) -> None:
    park = get(planned, "/v1/neighbourhoods/lane-9/facilities")["features"][0]
    assert get(planned, f"/v1/facilities/{park['id']}") == park


def test_availability_is_capacity_less_the_plan_as_instants(planned: TestClient) -> None:
    """
    Check a Wednesday night in the park by hand.

    Three bays from 18:00 to 07:30, one kept back: two. d2 (workdays) is there from 18:30 to 08:00, d1 (daily) from
    19:00 to 07:00, so one is taken from 18:30, both from 19:00, one from 07:00. Shanghai is eight hours ahead of UTC.
    """
    park = facility_id(planned, "park")
    answer = get(
        planned, f"/v1/facilities/{park}/availability", **{"from": "2026-09-16T12:00", "to": "2026-09-17T12:00"}
    )
    standard = next(group for group in answer["bay_groups"] if group["bay_group"] == "std")
    assert [(i["start"], i["end"], i["capacity"], i["taken"], i["free"]) for i in standard["intervals"]] == [
        ("2026-09-16T10:00:00Z", "2026-09-16T10:30:00Z", 2, 0, 2),
        ("2026-09-16T10:30:00Z", "2026-09-16T11:00:00Z", 2, 1, 1),
        ("2026-09-16T11:00:00Z", "2026-09-16T23:00:00Z", 2, 2, 0),
        ("2026-09-16T23:00:00Z", "2026-09-16T23:30:00Z", 2, 1, 1),
    ]
    assert answer["provisional"] is False
    assert answer["timezone"] == "Asia/Shanghai"


def test_availability_takes_instants_as_well_as_local_times(planned: TestClient) -> None:
    path = f"/v1/facilities/{facility_id(planned, 'park')}/availability"
    local = get(planned, path, **{"from": "2026-09-16T12:00", "to": "2026-09-17T12:00"})
    assert get(planned, path, **{"from": "2026-09-16T04:00Z", "to": "2026-09-17T06:00+02:00"}) == local


def test_nothing_is_free_during_a_closure(planned: TestClient) -> None:
    """The park is shut from 21 September until noon of the 22nd."""
    path = f"/v1/facilities/{facility_id(planned, 'park')}/availability"
    answer = get(planned, path, **{"from": "2026-09-21T00:00", "to": "2026-09-22T12:00"})
    assert [group["intervals"] for group in answer["bay_groups"]] == [[], []]


def test_the_folders_own_calendar_decides_what_a_workday_is(planned: TestClient) -> None:
    """Friday 18 September is a rest day by calendar.csv, so the road opens nowhere that evening; Saturday it does."""
    path = f"/v1/facilities/{facility_id(planned, 'road')}/availability"
    friday = get(planned, path, **{"from": "2026-09-18T12:00", "to": "2026-09-19T12:00"})
    saturday = get(planned, path, **{"from": "2026-09-19T12:00", "to": "2026-09-20T12:00"})
    assert friday["bay_groups"][0]["intervals"] == []
    assert [i["capacity"] for i in saturday["bay_groups"][0]["intervals"]] == [2]


def test_a_year_without_a_holiday_notice_is_provisional(planned: TestClient) -> None:
    path = f"/v1/facilities/{facility_id(planned, 'road')}/availability"
    answer = get(planned, path, **{"from": "2031-02-01T00:00", "to": "2031-02-03T00:00"})
    assert answer["provisional"] is True


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-09-17T12:00", "to": "2026-09-16T12:00"},
        {"from": "2026-09-16T12:00", "to": "2026-09-16T12:00"},
        {"from": "2026-09-16T12:00", "to": "2027-09-16T12:00"},
        {"from": "0001-01-01T00:00", "to": "0001-01-02T00:00"},
        {"from": "9999-12-31T00:00", "to": "9999-12-31T23:00"},
        {"from": "0001-01-01T00:00+14:00", "to": "0001-01-02T00:00+14:00"},
        {"from": "9999-12-31T23:00-12:00", "to": "9999-12-31T23:59-12:00"},
        {"from": "tomorrow", "to": "2026-09-16T12:00"},
        {"from": "2026-09-16T12:00"},
    ],
)
def test_a_span_that_makes_no_sense_is_a_problem(planned: TestClient, query: dict[str, str]) -> None:
    answer = planned.get(f"/v1/facilities/{facility_id(planned, 'park')}/availability", params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "tomorrow" not in answer.text


def test_plans_are_listed_and_shown(planned: TestClient, lane_plan: Path) -> None:
    [plan] = get(planned, "/v1/neighbourhoods/lane-9/plans")
    assert (plan["served"], plan["demands"], plan["bound_m"], plan["published_at"]) == (2, 4, 25_334, None)
    shown = get(planned, f"/v1/plans/{plan['id']}")
    assert shown["summary"]["work"] == {"sweeps": 12}
    assert "assignments" not in shown["summary"]
    certificate = json.loads((lane_plan.parent / "certificate.json").read_text())
    assert get(planned, f"/v1/plans/{plan['id']}/certificate") == certificate


def test_assignments_are_lines_from_home_to_facility_page_by_page(planned: TestClient) -> None:
    plan = get(planned, "/v1/neighbourhoods/lane-9/plans")[0]["id"]
    first = get(planned, f"/v1/plans/{plan}/assignments", limit="1")
    second = get(planned, f"/v1/plans/{plan}/assignments", limit="1", after=str(first["next"]))
    assert [page["features"][0]["properties"]["demand"] for page in (first, second)] == ["d2", "d1"]
    assert second["next"] is None
    line = first["features"][0]["geometry"]["coordinates"]
    assert line[0] == pytest.approx([121.5181234567, 31.2661234567])
    assert 121.519 < line[1][0] < 121.5195


def test_the_unserved_are_given_with_reason_and_options(planned: TestClient) -> None:
    plan = get(planned, "/v1/neighbourhoods/lane-9/plans")[0]["id"]
    page = get(planned, f"/v1/plans/{plan}/unserved")
    assert [(row["demand"], row["reason"]) for row in page["unserved"]] == [("d4", "rejected"), ("d3", "full")]
    assert page["unserved"][1]["options"][0]["short_m"] == 340


@pytest.mark.parametrize(
    "path",
    [
        "/v1/neighbourhoods/nowhere/facilities",
        "/v1/neighbourhoods/nowhere/plans",
        "/v1/neighbourhoods/nowhere/base-map.pmtiles",
        "/v1/facilities/999999999",
        "/v1/facilities/999999999/availability?from=2026-09-16T12:00&to=2026-09-17T12:00",
        "/v1/plans/999999999",
        "/v1/plans/999999999/assignments",
        "/v1/plans/999999999/certificate",
        "/neighbourhoods/nowhere",
        "/v1/no-such-thing",
    ],
)
def test_what_is_not_there_is_a_problem_of_404(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404
    assert "nowhere" not in answer.text


@pytest.mark.parametrize(
    "path", ["/v1/plans/0", "/v1/plans/%00", "/v1/facilities/99999999999999999999", "/v1/plans/1/unserved?limit=0"]
)
def test_a_request_that_cannot_be_understood_is_a_problem_that_repeats_nothing(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert answer.json()["type"] == "request-not-understood"
    assert "input" not in answer.text
    assert "99999" not in answer.text


def test_a_zero_character_in_an_address_is_not_a_mistake_of_ours(client: TestClient) -> None:
    assert client.get("/v1/neighbourhoods/a%00b/plans").status_code == 404


def test_the_base_map_is_read_by_range(planned: TestClient) -> None:
    path = "/v1/neighbourhoods/lane-9/base-map.pmtiles"
    whole = planned.get(path)
    assert whole.status_code == 200
    assert whole.content[:7] == b"PMTiles"
    size = len(whole.content)
    part = planned.get(path, headers={"Range": "bytes=0-126"})
    assert (part.status_code, part.headers["content-range"]) == (206, f"bytes 0-126/{size}")
    assert part.content == whole.content[:127]
    assert part.headers["etag"] == whole.headers["etag"]
    middle = planned.get(path, headers={"Range": "bytes=100-"})
    assert middle.content == whole.content[100:]
    tail = planned.get(path, headers={"Range": "bytes=-10"})
    assert (tail.content, tail.headers["content-range"]) == (
        whole.content[-10:],
        f"bytes {size - 10}-{size - 1}/{size}",
    )
    beyond = planned.get(path, headers={"Range": f"bytes={size}-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-type"] == "application/problem+json"
    assert planned.head(path).headers["content-length"] == str(size)


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "lines=1-2", "bytes=0-1,4-5", "bytes=", "bytes=-", "bytes=0-" + "9" * 5000]
)
def test_a_range_that_may_be_ignored_gets_the_whole(planned: TestClient, asked: str) -> None:
    answer = planned.get("/v1/neighbourhoods/lane-9/base-map.pmtiles", headers={"Range": asked})
    assert (answer.status_code, answer.content[:7]) == (200, b"PMTiles")


def test_every_answer_carries_the_security_headers(planned: TestClient) -> None:
    for path in ("/healthz", "/neighbourhoods/lane-9", "/assets/page.css", "/v1/neighbourhoods/nowhere/plans"):
        headers = planned.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_database_that_went_away_is_a_problem_of_503(tmp_path: Path) -> None:
    engine = make_engine(f"postgresql://nobody@/gone?host={tmp_path}")
    with TestClient(create_app(Settings(), engine), base_url=HERE, raise_server_exceptions=False) as client:
        answer = client.get("/v1/neighbourhoods")
        assert client.get("/healthz").status_code == 200
    assert answer.status_code == 503
    assert answer.json()["type"] == "database-unavailable"
    assert str(tmp_path) not in answer.text


def test_the_description_of_the_interface_names_every_endpoint(client: TestClient) -> None:
    described = get(client, "/openapi.json")["paths"]
    for path, methods in described.items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert operation["tags"], (method, path)
    assert {"/v1/bookings", "/v1/permits", "/v1/neighbourhoods", "/metrics"} <= set(described)


def test_a_name_of_another_site_that_points_here_gets_nothing(planned: TestClient) -> None:
    answer = planned.get("/v1/neighbourhoods", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 400
    assert "Lane 9" not in answer.text
    assert planned.get("/v1/neighbourhoods", headers={"Host": "localhost:8080"}).status_code == 200


def test_an_answer_that_has_not_changed_is_not_sent_again(planned: TestClient) -> None:
    first = planned.get("/v1/neighbourhoods")
    again = planned.get("/v1/neighbourhoods", headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    changed = planned.get("/v1/neighbourhoods/lane-9/facilities", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200


def test_what_is_counted_names_routes_and_nobody(planned: TestClient) -> None:
    planned.get("/v1/neighbourhoods/lane-9/facilities", params={"secret": "plate"})
    counted = planned.get("/metrics")
    assert counted.headers["content-type"].startswith("text/plain")
    assert 'http_route="/v1/neighbourhoods/{neighbourhood}/facilities"' in counted.text
    assert "lane-9" not in counted.text
    assert "plate" not in counted.text


def test_one_line_a_request_says_what_was_asked_and_not_by_whom(
    planned: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="baytide.access"):
        planned.get("/v1/neighbourhoods/lane-9/facilities", params={"near": "121.5,31.2"})
        planned.get("/v1/nothing/here")
    said = [record.getMessage() for record in caplog.records if record.name == "baytide.access"]
    assert [line.rpartition(" ms=")[0] for line in said] == [
        "request_answered method=GET route=/v1/neighbourhoods/{neighbourhood}/facilities status=200",
        "request_answered method=GET route=- status=404",
    ]


def test_a_body_beyond_all_measure_is_refused_unread(client: TestClient) -> None:
    answer = client.post("/v1/bookings", content=b"x" * (300 * 1024), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
