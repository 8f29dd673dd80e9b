"""The commands that allocate and publish a round."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

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


@pytest.mark.usefixtures("in_this_process")
def test_a_plan_is_reviewed_decided_on_and_compared_with_the_next(
    town: RoundTown, run: Run, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(acting, "datetime", Then)
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BAYTIDE_SECRET", "a secret of the tests, long enough to be one")
    applied = [town.apply()[1] for _ in range(3)]
    listed = json.loads(run("rounds", "applications", town.round, "--json")[1])
    assert ([one["id"] for one in listed], "household" in listed[0]) == (applied, False)
    code, out, _ = run("rounds", "applications", town.round, "--after", applied[1])
    assert (code, out.splitlines()[1].split()[:2]) == (0, [str(applied[2]), "submitted"])
    assert run("rounds", "allocate", town.round)[0] == 0
    first = town.one("SELECT max(id) FROM round_plans")
    code, out, _ = run("rounds", "outcomes", town.round, "--plan", first, "--only", "served", "--json")
    served = json.loads(out)
    assert (code, len(served)) == (0, BAYS)
    [unserved] = json.loads(run("rounds", "outcomes", town.round, "--plan", first, "--only", "unserved", "--json")[1])
    assert unserved["reason"] is not None
    assert str(unserved["application"]) in run("rounds", "outcomes", town.round, "--plan", first)[1]
    wanted = unserved["application"], "--facility", served[0]["facility"], "--note", "needs the lift"
    assert run("rounds", "lock", town.round, *wanted)[0] == 0
    assert run("rounds", "lock", town.round, *wanted)[0] == 2, "that has been decided already"
    assert run("rounds", "reject", town.round, served[0]["application"], "--note", "")[0] == 2
    assert run("rounds", "reject", town.round, served[0]["application"], "--note", "applied twice")[0] == 0
    lock, reject = json.loads(run("rounds", "decisions", town.round, "--json")[1])
    assert ((lock["decision"], lock["facility"]), (reject["decision"], reject["facility"])) == (
        ("lock", served[0]["facility"]),
        ("reject", None),
    )
    assert run("rounds", "reject", town.round, served[1]["application"], "--note", "a slip")[0] == 0
    slip = json.loads(run("rounds", "decisions", town.round, "--json")[1])[-1]["id"]
    assert run("rounds", "undo", town.round, slip)[:2] == (0, f"undone: decision {slip}\n")
    assert run("rounds", "undo", town.round, slip)[0] == 2
    assert run("rounds", "allocate", town.round)[0] == 0
    second = town.one("SELECT max(id) FROM round_plans")
    figures = json.loads(run("rounds", "compare", town.round, first, second, "--json")[1])
    assert (figures["gained"], figures["lost"], figures["served_after"]) == (1, 1, BAYS)
    code, out, _ = run("rounds", "compare", town.round, first, second)
    assert (code, out.splitlines()[-2].split()[:5]) == (0, ["all", "2", "2", "1", "1"])
    assert run("rounds", "compare", town.round, first, second + 1000)[0] == 2
    assert "needs the lift" in run("rounds", "decisions", town.round)[1]
    code, out, said = run("rounds", "report", town.round)
    assert (code, out, said) == (2, "", f"nothing of round {town.round} is published\n")
    # The horizon was rolled by today's clock meanwhile, and not by that of the round.
    town.one("UPDATE facilities SET materialised_until = '2026-09-14T12:00+08'")
    code, _, err = run("rounds", "publish", town.round, "--plan", second)
    assert code == 0, err
    assert "receipts" in json.loads(run("rounds", "report", town.round)[1])["hashes"]


def test_a_draft_is_changed_by_the_file_it_was_made_from(
    town: RoundTown, run: Run, monkeypatch: pytest.MonkeyPatch, engine: Engine, tmp_path: Path
) -> None:
    monkeypatch.setattr(acting, "datetime", Then)
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BAYTIDE_SECRET", "a secret of the tests, long enough to be one")
    lines = {
        "name": '"Late autumn"',
        "opens_at": "2026-10-12T08:00:00+08:00",
        "closes_at": "2026-10-19T08:00:00+08:00",
        "publishes_at": "2026-10-26T08:00:00+08:00",
        "first": "2026-11-02",
        "last": "2026-11-29",
        "number_source": '"Shanghai Composite index, close of 2026-10-20"',
        "provisional_acknowledged": "true",
    }
    toml, neighbourhood = tmp_path / "round.toml", town.one("SELECT slug FROM neighbourhoods")

    def write(**changed: str) -> None:
        toml.write_text("\n".join(f"{name} = {value}" for name, value in {**lines, **changed}.items()))

    write()
    code, out, err = run("rounds", "draft", neighbourhood, toml)
    assert code == 0, err
    drafted = out.split()[2].rstrip(";")
    shown = json.loads(run("rounds", "show", drafted)[1])
    assert (shown["state"], shown["name"]) == ("draft", "Late autumn")
    write(name='"November"')
    code, out, said = run("rounds", "edit", drafted, toml)
    assert (code, out, said) == (2, "", f"{toml}: version: Field required\n")
    write(name='"November"', version=str(shown["version"]))
    code, out, err = run("rounds", "edit", drafted, toml)
    assert (code, out.startswith(f"changed: round {drafted}, version ")) == (0, True), err
    assert run("rounds", "edit", drafted, toml)[0] == 2, "somebody changed it meanwhile"
    assert json.loads(run("rounds", "show", drafted)[1])["name"] == "November"
    write(last="tomorrow")
    assert run("rounds", "draft", neighbourhood, toml)[0] == 2
