"""`baytide overstays`: late cars, strikes and appeals, the policy, and the buffer."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from api.gates.events import SeenEvent
from api.jobs.queries import work
from api.overstays.buffering import STEPS_MIN
from api.overstays.buffers import size_due_buffers
from tests.api.accounts import SECRET
from tests.api.gate_town import HOUR
from tests.api.late_town import DAY, PLATE, Late, make_late
from tests.api.running import Run


@pytest.fixture
def late(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Late:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BAYTIDE_SECRET", SECRET)
    return make_late(engine)


def days_late(late: Late) -> tuple[int, datetime]:
    """Let a car come six days ago and stay; return its night and when it had to leave."""
    leave_by = datetime.now(UTC).replace(microsecond=0) - 6 * DAY
    begins = leave_by - 10 * HOUR
    stay = late.gates.add_stay(late.who, begins, leave_by)
    late.gates.refresh(begins)
    late.gates.send(SeenEvent("in", "entry", begins, PLATE), now=begins)
    return stay, leave_by


def strikes(run: Run, *options: object) -> list[dict[str, Any]]:
    code, out, err = run("overstays", "strikes", "town", *options, "--json")
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)
    return found


def test_a_car_that_was_days_late_is_listed_and_struck_once_it_has_left(late: Late, run: Run) -> None:
    stay, leave_by = days_late(late)
    code, out, _ = run("overstays", "late-cars", "town/near", "--json")
    [car] = json.loads(out)
    assert (code, car["stay"], car["plate"], car["to_review"]) == (0, stay, PLATE, True)
    code, out, _ = run("overstays", "late-cars", late.gates.town.near)
    assert (code, out.splitlines()[1].split()[:2], "to review" in out) == (0, [str(stay), PLATE], True)
    code, _, said = run("overstays", "strike", stay)
    assert (code, "stands there still" in said) == (2, True)
    left = leave_by + 5 * DAY
    late.gates.send(SeenEvent("out", "exit", left, PLATE), now=left)
    code, out, err = run("overstays", "strike", stay)
    assert (code, ", warning from " in out) == (0, True), err
    assert run("overstays", "strike", stay)[0] == 2, "once"
    assert run("overstays", "late-cars", "town/near", "--json")[1] == "[]\n"
    assert len(late.told("strike")) == 1


def test_an_appeal_is_read_and_decided(late: Late, run: Run) -> None:
    now = late.struck(0)
    [struck] = strikes(run)
    assert (struck["state"], struck["act"], struck["appeal"]) == ("standing", "warning", None)
    assert run("overstays", "decide", struck["id"], "lifted", "--note", "seen")[0] == 2, "nobody has appealed"
    late.appeal(1, now=now + HOUR)
    code, out, _ = run("overstays", "strikes", "town", "--appealed")
    assert (code, "waits: the gate was shut" in out) == (0, True)
    assert run("overstays", "decide", struck["id"], "lifted", "--note", "")[0] == 2
    code, out, err = run("overstays", "decide", struck["id"], "lifted", "--note", "the barrier was shut")
    assert (code, out) == (0, f"lifted: strike {struck['id']}; its household is told\n"), err
    assert strikes(run, "--appealed") == []
    [decided] = strikes(run)
    assert (decided["state"], decided["appeal"]["note"]) == ("lifted", "the barrier was shut")
    assert strikes(run, "--before", struck["id"]) == []
    assert len(late.told("appeal_decided")) == 1


def test_nobody_is_named_in_the_list_of_strikes(late: Late, run: Run) -> None:
    late.struck(0)
    assert "household" not in strikes(run)[0]
    for shown in (run("overstays", "strikes", "town")[1], run("overstays", "strikes", "town", "--json")[1]):
        assert PLATE not in shown


def test_the_policy_is_shown_and_set_from_a_file(late: Late, run: Run, tmp_path: Path) -> None:
    del late
    code, out, _ = run("overstays", "policy", "town")
    shown = json.loads(out)
    assert (code, shown["grace_min"], [rung["act"] for rung in shown["ladder"]][-1]) == (0, 15, "end")
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({**shown, "grace_min": 20}))
    assert run("overstays", "policy", "town", file)[:1] == (0,)
    toml = tmp_path / "policy.toml"
    rules = "grace_min = 25\nremind_min = 30\nexpires_days = 180\nappeal_days = 7\nwait_h = 24\n"
    toml.write_text(rules + '[[ladder]]\nact = "warning"\n')
    assert json.loads(run("overstays", "policy", "town", toml)[1])["grace_min"] == 25
    for wrong, why in (
        (rules + '[[ladder]]\nact = "fee"\n', "rung 1: a fee, and nothing else, has amount_cents"),
        (rules, f"{toml}: ladder: Field required"),
        ("grace_min =", str(toml)),
    ):
        toml.write_text(wrong)
        code, out, said = run("overstays", "policy", "town", toml)
        assert (code, out) == (2, "")
        assert why in said
    assert json.loads(run("overstays", "policy", "town")[1])["grace_min"] == 25


def test_the_buffer_is_shown_set_and_applied(late: Late, run: Run, engine: Engine) -> None:
    facility = late.gates.town.near
    code, _, said = run("overstays", "apply-buffer", "town/near")
    assert (code, said) == (2, "no change of the buffer is proposed\n")
    assert run("overstays", "set-buffer", "town/near")[0] == 2
    code, out, err = run("overstays", "set-buffer", "town/near", "--confidence", "0.9", "--owner-from-min", 10)
    assert code == 0, err
    wanted = json.loads(out)
    assert (wanted["confidence"], wanted["owner_from_min"], wanted["automatic"]) == (0.9, 10, False)
    wanted = json.loads(run("overstays", "set-buffer", facility, "--automatic")[1])
    assert (wanted["confidence"], wanted["automatic"]) == (0.9, True), "what is not named stays"
    run("overstays", "set-buffer", facility, "--by-hand")
    assert run("overstays", "set-buffer", facility, "--confidence", "1")[0] == 2
    remember(engine, facility)
    with work(engine) as connection:
        size_due_buffers(connection, now=datetime.now(UTC))
    shown = json.loads(run("overstays", "buffer", "town/near", "--json")[1])
    [estimate] = shown["estimates"]
    assert (shown["buffer_bays"], estimate["state"]) == (0, "proposed")
    code, out, err = run("overstays", "apply-buffer", "town/near")
    assert (code, out) == (0, f"applied: {estimate['buffer_bays']} bays are kept back\n"), err
    code, out, _ = run("overstays", "buffer", "town/near")
    assert (code, out.splitlines()[0]) == (
        0,
        f"{estimate['buffer_bays']} bays are kept back; enough on 90.0 % of mornings is wanted, changed by hand",
    )
    assert "applied" in out.splitlines()[2]


def remember(engine: Engine, facility: int) -> None:
    """Write a record of mornings on which three of six cars were late for most of an hour."""
    still = [3 if step < 60 else 0 for step in STEPS_MIN]
    today: date = datetime.now(UTC).date()
    with engine.begin() as connection:
        for day in range(1, 61):
            connection.execute(
                text("INSERT INTO late_mornings VALUES (:f, :day, 6, :still, 3, 90, NULL)"),
                {"f": facility, "day": today - timedelta(days=day), "still": still},
            )
