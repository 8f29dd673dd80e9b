"""The commands that allocate and publish a round."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from api.cli import acting
from tests.api.closed_round import BAYS, RoundTown, Then, in_this_process, town
from tests.api.running import Run

__all__ = ["in_this_process", "town"]


@pytest.mark.usefixtures("in_this_process")
def test_a_round_is_allocated_listed_and_published_at_the_machine(
    town: RoundTown, run: Run, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(acting, "datetime", Then)
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BAYTIDE_SECRET", "a secret of the tests, long enough to be one")
    for _ in range(3):
        town.apply()
    assert run("rounds", "publish", town.round, "--plan", 1)[0] == 2
    code, out, err = run("rounds", "allocate", town.round)
    assert (code, out.splitlines()[-1].startswith("plan ")) == (0, True), err
    plan = town.one("SELECT max(id) FROM round_plans")
    code, out, _ = run("rounds", "plans", town.round)
    assert (code, out.split()[0], "2 of 3 served" in out) == (0, str(plan), True)
    # The horizon was rolled by today's clock meanwhile, and not by that of the round.
    town.one("UPDATE facilities SET materialised_until = '2026-09-14T12:00+08'")
    code, out, err = run("rounds", "publish", town.round, "--plan", plan)
    assert (code, out) == (0, f"published: {BAYS} offers, 1 wait, 0 refused\n"), err
    code, _, err = run("rounds", "publish", town.round, "--plan", plan)
    assert (code, "published already" in err) == (2, True)


@pytest.mark.usefixtures("in_this_process")
def test_a_late_round_gets_another_day_that_everybody_can_read(
    town: RoundTown, run: Run, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(acting, "datetime", Then)
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BAYTIDE_SECRET", "a secret of the tests, long enough to be one")
    planned = town.one("SELECT publishes_at FROM rounds")
    until = (planned + timedelta(days=2)).isoformat()
    for wrong in ("tomorrow", "2026-12-05T10:00", planned.isoformat()):
        code, _, err = run("rounds", "delay", town.round, "--until", wrong, "--reason", "the draw was late")
        assert (code, bool(err)) == (2, True), wrong
    code, out, err = run("rounds", "delay", town.round, "--until", until, "--reason", "the draw was late")
    assert (code, "its applicants are told" in out) == (0, True), err
    code, out, _ = run("rounds", "show", town.round)
    (delay,) = json.loads(out)["delays"]
    assert (delay["reason"], datetime.fromisoformat(delay["publishes_at"])) == (
        "the draw was late",
        planned + timedelta(days=2),
    )
