"""Commands about permits and the waitlist, against a database of their own choosing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, tzinfo

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from api.cli import acting
from api.cli.app import app
from api.jobs.service import place_nights_of_permits, roll_horizon
from api.offers.service import accept_offer, make_offers
from api.waitlist.service import join_waitlist
from tests.api.round_town import NOW, make_round_town
from tests.api.running import Run


class Then(datetime):
    """A clock that stands still when the round has been published."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return NOW.astimezone(tz)


@pytest.fixture
def permit(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give a permit at garage `a`, for whose bay somebody waits, in the database that commands open."""
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("SECRET", "a secret of the tests, long enough to be one")
    with engine.begin() as connection:
        town = make_round_town(connection)
        who = town.apply()
        (offer,) = make_offers(connection, [town.wanted(who)], source="plan", now=NOW)
        accept_offer(connection, offer, household_id=who["household"], account_id=None, now=NOW)
        join_waitlist(connection, [town.entry(town.apply())], now=NOW)
        found = town.count("SELECT id FROM permits")
    yield found
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE neighbourhoods, accounts, owners CASCADE"))


def said(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_permits_are_listed_shown_and_ended_and_the_next_follows(permit: int) -> None:
    (row,) = json.loads(said("permits", "list", "x", "--json"))
    assert (row["id"], row["state"]) == (permit, "active")
    assert json.loads(said("permits", "show", str(permit)))["nights"] == 31
    assert [queue["waiting"] for queue in json.loads(said("waitlist", "list", "x", "--json"))] == [1]
    assert said("waitlist", "follow", "x") == "offers: 0\n"
    assert "ended" in said("permits", "end", str(permit), "--reason", "strikes")
    assert [queue["offered"] for queue in json.loads(said("waitlist", "list", "x", "--json"))] == [1]
    assert "strikes" in said("permits", "list", "x", "--state", "ended")


def test_a_permit_that_does_not_exist_is_not_shown(permit: int) -> None:
    done = CliRunner().invoke(app, ["permits", "show", str(permit + 1000)])
    assert done.exit_code != 0
    assert CliRunner().invoke(app, ["permits", "end", str(permit), "--reason", "declined"]).exit_code == 2


def test_nights_are_listed_given_back_and_taken_back_for_a_household_which_is_told(
    permit: int, run: Run, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(acting, "datetime", Then)
    roll_horizon(engine, now=NOW)
    place_nights_of_permits(engine, now=NOW)
    nights = json.loads(run("permits", "nights", permit, "--json")[1])
    assert [(night["night"], night["state"]) for night in nights[:2]] == [
        ("2026-12-01", "confirmed"),
        ("2026-12-02", "confirmed"),
    ]
    code, out, err = run("permits", "give-back", permit, "--from", "2026-12-02", "--to", "2026-12-03")
    assert (code, out) == (0, "given back: 2026-12-02 to 2026-12-03; 2 nights are free for bookings at once\n"), err
    code, out, _ = run("permits", "nights", permit)
    assert (code, out.splitlines()[2].split()[:3]) == (0, ["2026-12-02", "given_back", "1"])
    assert run("permits", "give-back", permit, "--from", "2026-12-03", "--to", "2026-12-03")[0] == 2, "once"
    assert run("permits", "give-back", permit, "--from", "2027-12-03", "--to", "2027-12-03")[0] == 2, "not in its term"
    code, out, err = run("permits", "take-back", permit, "--from", "2026-12-02")
    assert (code, out) == (0, "taken back; without a bay by now: none\n"), err
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM notices WHERE kind = 'nights_given_back'")) == 1
        assert connection.scalar(text("SELECT count(*) FROM permit_absences")) == 0
    code, _, said = run("permits", "nights", permit + 1000)
    assert (code, said) == (2, f"no permit {permit + 1000}\n")


@pytest.mark.usefixtures("permit")
def test_the_place_of_an_application_on_the_waitlist_is_shown(run: Run, engine: Engine) -> None:
    with engine.begin() as connection:
        waiting = connection.scalar(text("SELECT application_id FROM waitlist_entries"))
        served = connection.scalar(text("SELECT min(id) FROM applications"))
    code, out, err = run("waitlist", "show", waiting)
    assert code == 0, err
    shown = json.loads(out)
    assert (shown["state"], shown["estimate"], shown["next_date"]) == ("waiting", None, "2026-12-31")
    assert [(place["name"], place["position"], place["waiting"]) for place in shown["places"]] == [("a", 1, 1)]
    assert "household" not in shown
    code, out, said = run("waitlist", "show", served)
    assert (code, out, said) == (2, "", f"application {served} is on no waitlist\n")
    assert run("waitlist", "show", 10**9)[0] == 2


@pytest.mark.usefixtures("permit")
def test_how_right_told_dates_were_is_told_of_a_published_round(run: Run, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE rounds SET published_at = publishes_at"))
        found = connection.scalar(text("SELECT id FROM rounds"))
    code, out, err = run("waitlist", "calibration", found, "--json")
    assert (code, json.loads(out)["estimates"]) == (0, 0), err
    code, out, _ = run("waitlist", "calibration", found)
    assert (code, out.splitlines()[0].startswith("0 pairs of dates")) == (0, True)
    assert run("waitlist", "calibration", 10**9)[0] == 2
