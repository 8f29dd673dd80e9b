"""Commands about permits and the waitlist, against a database of their own choosing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from api.cli.app import app
from api.offers.service import accept_offer, make_offers
from api.waitlist.service import join_waitlist
from tests.api.round_town import NOW, make_round_town


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
