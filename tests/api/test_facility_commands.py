"""`baytide facilities`: drafts are looked at and published, and what was taken back is listed and called off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.api.accounts import SECRET
from tests.api.running import Run
from tests.api.supply import DRAFTS, TOWER, Lane, book, match, ok, open_lane, publish, with_bays


@pytest.fixture
def town(engine: Engine, lane: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lane]:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BAYTIDE_SECRET", SECRET)
    with open_lane(engine, lane) as town:
        yield town


def test_a_draft_is_returned_and_published_as_the_version_that_was_looked_at(town: Lane, run: Run) -> None:
    drafted = ok(town.owner.post(DRAFTS, json=TOWER), 201)
    facility, path = drafted["facility"], f"/v1/facilities/{drafted['facility']}/draft"
    ok(town.owner.post(f"{path}/submission", headers=match(drafted["version"])))
    [listed] = json.loads(run("facilities", "drafts", "lane-9", "--json")[1])
    assert (listed["facility"], listed["status"], listed["owner"]) == (facility, "submitted", town.owner_id)
    assert "Tower" in run("facilities", "drafts", "lane-9")[1]
    version = listed["version"]
    code, out, err = run("facilities", "return", facility, "--version", version, "--reason", "no entrance")
    assert (code, out) == (0, f"returned: the draft of facility {facility}\n"), err
    shown = json.loads(run("facilities", "draft", facility)[1])
    assert (shown["status"], shown["feature"]["properties"]["id"]) == ("draft", "tower")
    ok(town.owner.post(f"{path}/submission", headers=match(shown["version"])))
    assert run("facilities", "publish", facility, "--version", version)[0] == 2, "another version was looked at"
    now = json.loads(run("facilities", "draft", facility)[1])["version"]
    code, out, err = run("facilities", "publish", facility, "--version", now)
    assert (code, out.startswith("published: ")) == (0, True), err
    assert run("facilities", "draft", facility)[0] == 2
    acts = [one["act"] for one in json.loads(run("facilities", "history", facility, "--json")[1])]
    assert (acts[0], "returned" in acts) == ("published", True)
    assert "no entrance" in run("facilities", "history", facility)[1]
    assert run("facilities", "history", 10**9)[::2] == (2, f"no facility {10**9}\n")


def test_a_draft_that_takes_a_booked_bay_needs_the_token_of_whom_it_hits(town: Lane, run: Run) -> None:
    facility = publish(town)
    ok(book(town.resident(), facility, days=9), 201)
    draft = ok(town.owner.put(f"/v1/facilities/{facility}/draft", json=with_bays(0), headers=match(2)))
    submitted = ok(town.owner.post(f"/v1/facilities/{facility}/draft/submission", headers=match(draft["version"])))
    words = ("facilities", "publish", facility, "--version", submitted["version"], "--json")
    code, out, said = run(*words)
    found = json.loads(out)
    assert (code, found["bookings"], "nothing was changed" in said) == (1, 1, True)
    code, out, err = run(*words, "--confirm", found["token"])
    assert (code, json.loads(out)["withdrawal"] is not None) == (0, True), err


def test_what_was_taken_back_is_listed_and_called_off(town: Lane, run: Run) -> None:
    facility = publish(town)
    assert run("facilities", "withdrawals", facility, "--json")[:2] == (0, "[]\n")
    code, out, err = run("withdraw", facility, "--reason", "sold", "--json")
    assert code == 0, err
    code, out, err = run("withdraw", facility, "--reason", "sold", "--confirm", json.loads(out)["token"])
    assert code == 0, err
    [made] = json.loads(run("facilities", "withdrawals", facility, "--json")[1])
    assert (made["reason"], made["called_off_at"]) == ("sold", None)
    code, out, err = run("facilities", "call-off", facility, made["id"])
    assert (code, out) == (0, f"called off: withdrawal {made['id']}\n"), err
    assert run("facilities", "call-off", facility, made["id"])[0] == 2, "once"
    assert "sold" in run("facilities", "withdrawals", facility)[1]
    assert run("facilities", "withdrawals", 10**9)[0] == 2


def test_figures_of_a_period_are_printed(town: Lane, run: Run) -> None:
    del town
    code, out, err = run("kpis", "lane-9", "--from", "2026-01-01", "--to", "2026-01-31")
    found = json.loads(out)
    assert (code, found["first"], "figures" in found) == (0, "2026-01-01", True), err
    assert run("kpis", "lane-9", "--from", "2026-01-02", "--to", "2026-01-01")[0] == 2
    assert run("kpis", "nowhere", "--from", "2026-01-01", "--to", "2026-01-31")[0] == 2


def test_the_notices_of_a_calendar_are_listed(town: Lane, run: Run, tmp_path: Path) -> None:
    del town
    assert run("calendar", "notices", "lane-9", "--json")[0] == 0
    days = tmp_path / "days.csv"
    days.write_text("date,kind,holiday\n2026-10-01,rest_day,National Day\n")
    land = ("calendar", "land", days, "--year", 2026, "--source", "notice 7", "--country", "CN")
    token = json.loads(run(*land, "--json")[1])["token"]
    code, _, err = run(*land, "--token", token)
    assert code == 0, err
    newest = json.loads(run("calendar", "notices", "lane-9", "--json")[1])[0]
    assert (newest["source"], newest["year"]) == ("notice 7", 2026)
    assert "notice 7" in run("calendar", "notices", "lane-9")[1]
