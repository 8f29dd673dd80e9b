"""Calendars over the interface and the command line: everybody reads them, planners change them after a look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from api.cli.app import app
from tests.api.supply import ZONE, Lane, ok, open_lane, problem, publish, tower

CALENDAR = "/v1/calendars/lane-9"
_RUNNER = CliRunner()


@pytest.fixture
def town(engine: Engine, lane: Path) -> Iterator[Lane]:
    with open_lane(engine, lane) as town:
        yield town


def a_workday() -> str:
    """Give a workday within the nights that are sold: a notice makes it a rest day."""
    day = datetime.now(ZONE).date() + timedelta(days=3)
    while day.weekday() > 3:
        day += timedelta(days=1)
    return day.isoformat()


def notice(**own: object) -> dict[str, Any]:
    day = a_workday()
    words = {"whose": "neighbourhood", "year": int(day[:4]), "source": "a notice"}
    return {**words, "days": [{"date": day, "kind": "rest_day", "holiday": "集市"}], **own}


def workday_tower() -> dict[str, Any]:
    feature = tower()
    feature["properties"]["bay_groups"][0]["windows"][0]["days"] = "workdays"
    return feature


def test_everybody_sees_days_their_holidays_and_what_nobody_has_decided(town: Lane) -> None:
    asked = {"from": "2026-10-01", "to": "2026-10-10"}
    found = ok(town.public.get(CALENDAR, params=asked))["days"]
    assert (found[0]["kind"], found[0]["holiday"], found[0]["provisional"]) == ("rest_day", "国庆节", False)
    assert (found[9]["date"], found[9]["kind"]) == ("2026-10-10", "workday")
    later = ok(town.public.get(CALENDAR, params={"from": "2150-01-01", "to": "2150-01-02"}))["days"]
    assert [day["provisional"] for day in later] == [True, True]
    assert len(ok(town.public.get(CALENDAR))["days"]) == 366


SPANS = [("2027-01-02", "2027-01-01"), ("2026-01-01", "2029-01-01"), ("0001-01-01", "0001-01-02")]


@pytest.mark.parametrize(("first", "last"), SPANS)
def test_a_span_that_makes_no_sense_is_refused(town: Lane, first: str, last: str) -> None:
    problem(town.public.get(CALENDAR, params={"from": first, "to": last}), 422)


def test_a_planner_looks_and_lands_and_the_night_is_gone(town: Lane) -> None:
    facility = publish(town, workday_tower())
    resident = town.resident()
    evening = datetime.fromisoformat(f"{a_workday()}T19:00")
    booked = {"facility": facility, "from": evening.isoformat(), "to": (evening + timedelta(hours=12)).isoformat()}
    booking = ok(resident.post("/v1/bookings", json={**booked, "confirm": True}, headers={"Idempotency-Key": "1"}), 201)
    shown = ok(town.planner.post(f"{CALENDAR}/notices/preview", json=notice()))
    assert (shown["bookings"], shown["households"], shown["changed_days"]) == (1, 1, 1)
    assert ok(resident.get(f"/v1/bookings/{booking['id']}"))["state"] == "confirmed"
    refused = problem(town.planner.post(f"{CALENDAR}/notices", json={"notice": notice(), "token": "made up"}), 409)
    assert refused["hits"]["token"] == shown["token"]
    made = ok(town.planner.post(f"{CALENDAR}/notices", json={"notice": notice(), "token": shown["token"]}), 201)
    assert (made["neighbourhood"], made["households"]) == ("lane-9", 1)
    assert [day["date"] for day in made["before"]] == ["2026-09-18", "2026-09-19"], "as the folder had them"
    assert ok(resident.get(f"/v1/bookings/{booking['id']}"))["state"] == "cancelled"
    [told] = ok(resident.get("/v1/notices"))["notices"]
    assert told["kind"] == "calendar_changed"
    [kept] = ok(town.public.get(f"{CALENDAR}/notices"))["notices"]
    assert kept["id"] == made["id"]
    assert "landed_by" not in kept
    [day] = ok(town.public.get(CALENDAR, params={"from": a_workday(), "to": a_workday()}))["days"]
    assert (day["kind"], day["holiday"], day["own"], day["notice"]) == ("rest_day", "集市", True, made["id"])


def test_two_planners_who_saw_the_same_do_not_land_it_twice_over_others(town: Lane) -> None:
    """The second lands the same days, which by then hit nobody: that is not what was shown where somebody was hit."""
    facility = publish(town, workday_tower())
    evening = datetime.fromisoformat(f"{a_workday()}T19:00")
    booked = {"facility": facility, "from": evening.isoformat(), "to": (evening + timedelta(hours=12)).isoformat()}
    ok(town.resident().post("/v1/bookings", json={**booked, "confirm": True}, headers={"Idempotency-Key": "1"}), 201)
    shown = ok(town.planner.post(f"{CALENDAR}/notices/preview", json=notice()))
    wanted = {"notice": notice(), "token": shown["token"]}
    ok(town.planner.post(f"{CALENDAR}/notices", json=wanted), 201)
    assert problem(town.planner.post(f"{CALENDAR}/notices", json=wanted), 409)["hits"]["households"] == 0


def test_faults_of_a_sheet_are_named_by_line_and_nothing_is_changed(town: Lane) -> None:
    sheet = f"date,kind\n{a_workday()},rest_day\n2031-01-01,rest_day\n"
    found = problem(town.planner.post(f"{CALENDAR}/notices/preview", json=notice(days=None, csv=sheet)), 422)
    assert [(fault["line"], fault["field"]) for fault in found["errors"]] == [(3, "date")]
    both = problem(town.planner.post(f"{CALENDAR}/notices/preview", json=notice(csv=sheet)), 422)
    assert both["detail"] == "send `days` or `csv`, one of the two."
    assert ok(town.public.get(f"{CALENDAR}/notices"))["notices"] == []


def test_others_change_nothing(town: Lane) -> None:
    for who, status in ((town.public, 401), (town.owner, 403), (town.resident(), 403)):
        problem(who.post(f"{CALENDAR}/notices/preview", json=notice()), status)
        problem(who.post(f"{CALENDAR}/notices", json={"notice": notice(), "token": "x"}), status)


def test_the_commands_show_seed_look_and_land(town: Lane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", town.engine.url.render_as_string(hide_password=False))
    said = _RUNNER.invoke(app, ["calendar", "seed", "--country", "cn", "--from", "2026", "--to", "2028"])
    assert "written down: 2026, " in said.stdout, said.output
    assert "decided yet: 2027, 2028" in said.stdout
    said = _RUNNER.invoke(app, ["calendar", "show", "lane-9", "--from", "2028-01-01", "--to", "2028-01-01"])
    assert "rest_day" in said.stdout
    assert "(provisional)" in said.stdout
    days = tmp_path / "days.csv"
    days.write_text(f"date,kind,holiday\n{a_workday()},rest_day,集市\n", encoding="utf-8")
    asked = ["calendar", "land", str(days), "--year", a_workday()[:4], "--neighbourhood", "lane-9", "--source", "x"]
    shown = json.loads(_RUNNER.invoke(app, [*asked, "--json"]).stdout)
    assert (shown["notice"], shown["changed_days"]) == (None, 1)
    assert _RUNNER.invoke(app, [*asked, "--token", "made up"]).exit_code == 1
    landed = json.loads(_RUNNER.invoke(app, [*asked, "--token", shown["token"], "--json"]).stdout)
    assert landed["notice"] is not None
    said = _RUNNER.invoke(app, ["calendar", "show", "lane-9", "--from", a_workday(), "--to", a_workday(), "--json"])
    assert json.loads(said.stdout)["days"][0]["holiday"] == "集市"
