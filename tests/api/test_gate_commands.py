"""`baytide gates`: lists out, events in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from api.accounts.opening import open_as
from api.cli.tables import table_of
from api.errors import FolderFaults
from api.gates.at_the_gate import make_gate_code
from api.gates.event_file import read_events
from api.gates.events import SeenEvent
from tests.api.accounts import KEYS, SECRET
from tests.api.gate_town import HOUR, MINUTE, GateTown, make_gate_town
from tests.api.running import Run


@pytest.fixture
def gates(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> GateTown:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("BAYTIDE_SECRET", SECRET)
    return make_gate_town(engine)


def tomorrow() -> datetime:
    """Give tomorrow at six in the evening in Shanghai."""
    return datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=1)


def test_a_list_is_printed_as_json_or_as_the_fields_csv(gates: GateTown, run: Run) -> None:
    night = tomorrow()
    gates.add_stay(gates.resident("沪A12345"), night, night + 14 * HOUR)
    code, out, _ = run("gates", "allow-list", gates.town.near)
    assert code == 0
    assert [row["plate"] for row in json.loads(out)["added"]] == ["沪A12345"]
    code, out, _ = run("gates", "allow-list", "town/near", "--csv", "--encoding", "utf-8")
    assert code == 0
    assert out.splitlines()[1] == f"沪A12345,{night:%Y-%m-%d},{night:%Y-%m-%d},18:00:00,08:00:00,std 1"
    assert gates.rows("SELECT way, num_rows FROM allow_list_exports") == [("command", 1), ("command", 1)]


def test_a_facility_that_is_not_there_is_said_in_a_sentence(gates: GateTown, run: Run) -> None:
    del gates
    for name in ("99999", "town/nowhere", "9" * 30):
        code, out, said = run("gates", "allow-list", name)
        assert (code, out) == (2, "")
        assert f"there is no facility {name}" in said


def test_events_are_taken_from_a_file_once(gates: GateTown, run: Run, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    stay = gates.add_stay(gates.resident("沪A12345"), now - 3 * HOUR, now + HOUR)
    local = (now + 8 * HOUR).replace(tzinfo=None)
    file = tmp_path / "events.csv"
    lines = [
        "id,direction,at,plate,confidence",
        f"b,exit,{(local - MINUTE).isoformat()},沪AI2345,0.6",
        f"a,entry,{(now - 2 * HOUR).isoformat()},沪A12345,",
        f"c,entry,{(now + HOUR).isoformat()},沪A12345,0.99",
    ]
    file.write_bytes("\r\n".join(lines).encode("gbk"))
    for _ in range(2):
        code, out, said = run("gates", "events", file, "--facility", "town/near")
        assert (code, out.strip(), said.strip()) == (1, "accepted: 2, refused: 1", "events.csv:4: from_the_future")
    assert gates.gate_sessions() == [(now - 2 * HOUR, now - MINUTE, "closed", stay)]


def test_every_fault_of_a_file_is_named_by_line_and_no_plate_is(gates: GateTown, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text(
        "id,direction,at,plate,confidence\n,in,yesterday,沪A77777,2\nb,exit,2026-01-01T00:00:00,沪A77777,\n"
    )
    code, out, said = run("gates", "events", file, "--facility", gates.town.near)
    assert (code, out) == (2, "")
    assert [line.split(": ")[:2] for line in said.splitlines()] == [
        ["events.csv:2", field] for field in ("at", "confidence", "direction", "id")
    ]
    assert "77777" not in said
    assert gates.rows("SELECT count(*) FROM gate_events") == [(0,)]


def test_a_file_without_its_columns_is_refused() -> None:
    with pytest.raises(FolderFaults, match=r"e\.csv:1: direction: the column is missing"):
        read_events(b"id,at\n", ZoneInfo("UTC"), file="e.csv")


def test_a_line_with_too_many_cells_is_a_fault() -> None:
    with pytest.raises(FolderFaults, match=r"e\.csv:2: file: has more cells than the header"):
        read_events(b"id,direction,at\na,entry,2026-01-01,x,y\n", ZoneInfo("UTC"), file="e.csv")


def test_unclear_events_are_listed_assigned_and_dismissed(gates: GateTown, run: Run) -> None:
    now = datetime.now(UTC)
    wang, li = gates.resident("沪A12345"), gates.resident("沪A12375")
    stays = [gates.add_stay(who, now - 3 * HOUR, now + HOUR, bay=k + 1) for k, who in enumerate((wang, li))]
    came = now - 2 * HOUR
    gates.send(
        SeenEvent("a", "entry", came, "沪A123?5"),
        SeenEvent("b", "exit", now - MINUTE, "粤Z00000", confidence=0.5),
        now=now,
    )
    code, out, _ = run("gates", "unclear", "town/near", "--json")
    later, first = json.loads(out)
    assert (code, later["read"], later["confidence"], first["read"]) == (0, "粤Z00000", 0.5, "沪A123?5")
    code, out, _ = run("gates", "unclear", gates.town.near, "--before", later["id"])
    shown = out.splitlines()[1].split()
    assert (code, shown[0], shown[3:5]) == (0, str(first["id"]), ["entry", "沪A123?5"])
    code, _, said = run("gates", "assign", first["id"], "!!")
    assert (code, bool(said)) == (2, True)
    assert run("gates", "assign", first["id"], "沪a 12345")[:2] == (0, f"assigned: event {first['id']}\n")
    assert run("gates", "dismiss", later["id"])[:2] == (0, f"dismissed: event {later['id']}\n")
    assert run("gates", "unclear", "town/near", "--json")[:2] == (0, "[]\n")
    code, out, _ = run("gates", "unclear", "town/near", "--match", "assigned")
    assert (code, out.splitlines()[1].split()[-1]) == (0, "沪A12345")
    assert run("gates", "assign", first["id"], "沪A12375")[0] == 0, "it was the other car"
    assert run("gates", "assign", first["id"], "沪A12345")[0] == 0
    assert run("gates", "dismiss", 2**62)[::2] == (2, "no such event\n")
    code, out, _ = run("gates", "sessions", "town/near", "--json")
    (seen,) = json.loads(out)
    assert (code, seen["stay"], seen["bay"], seen["state"]) == (0, stays[0], "std 1", "open")
    assert "12345" not in out


def test_sessions_of_a_time_are_listed_by_the_facilitys_clock(gates: GateTown, run: Run) -> None:
    now = datetime.now(UTC)
    gates.send(SeenEvent("a", "entry", now - 30 * HOUR, "沪A12345"), now=now)
    gates.send(SeenEvent("b", "exit", now - 29 * HOUR, "沪A12345"), now=now)
    local = now - 29 * HOUR + 8 * HOUR
    assert len(run("gates", "sessions", "town/near")[1].splitlines()) == 1
    code, out, _ = run("gates", "sessions", "town/near", "--from", f"{local - 2 * HOUR:%Y-%m-%dT%H:%M}")
    assert (code, out.splitlines()[1].split()[2:4]) == (0, [f"{local:%Y-%m-%d}", f"{local:%H:%M}"])


def test_devices_are_added_given_new_keys_and_ended(gates: GateTown, run: Run) -> None:
    code, out, _ = run("gates", "add-device", "town/near", "south\u202eentrance")
    (added, key) = out.splitlines()
    device = int(added.removeprefix("added: device "))
    assert (code, key.split()[0]) == (0, "key:")
    code, out, _ = run("gates", "devices", "town/near", "--json")
    assert [(one["id"], one["kind"]) for one in json.loads(out)] == [(gates.device, "gate"), (device, "gate")]
    assert key.split()[1] not in out
    code, out, _ = run("gates", "rotate-key", device)
    assert (code, out.startswith("key: "), out.strip() != key) == (0, True, True)
    assert run("gates", "end-device", device)[0] == 0
    assert run("gates", "end-device", device)[::2] == (2, "no such device\n")
    assert len(run("gates", "devices", "town/near")[1].splitlines()) == 2
    code, _, said = run("gates", "add-device", "town/near", "")
    assert (code, said.startswith("label: ")) == (2, True)


def test_a_code_is_checked_once_each_way_by_an_attendant_at_a_shell(gates: GateTown, run: Run) -> None:
    now = datetime.now(UTC)
    who = gates.resident("沪A12345")
    stay = gates.add_stay(who, now - HOUR, now + HOUR)
    with gates.engine.begin() as connection:
        open_as(connection, who.principal)
        made = make_gate_code(connection, KEYS, stay, household_id=who.household_id, now=now)
    code, out, _ = run("gates", "check-code", gates.device, made.code)
    assert (code, out.startswith("open: std 1, until ")) == (0, True)
    assert run("gates", "check-code", gates.device, made.code)[0] == 1
    assert run("gates", "check-code", gates.device, made.code, "--direction", "exit")[0] == 0
    assert gates.rows("SELECT allowed FROM gate_checks ORDER BY id") == [(True,), (False,), (True,)]
    assert [row[2:] for row in gates.gate_sessions()] == [("closed", stay)]
    _, added, _ = run("gates", "add-device", "town/near", "warden", "--warden")
    warden = added.splitlines()[0].removeprefix("added: device ")
    assert run("gates", "check-code", warden, made.code)[0] == 2


def test_whom_residents_call_is_named_and_shown_and_claims_are_listed(gates: GateTown, run: Run) -> None:
    del gates
    assert run("gates", "contact", "town/near")[:2] == (0, "nobody is named\n")
    named = ("--name", "night porter", "--phone", "+86 21 5555 0100")
    assert run("gates", "contact", "town/near", *named)[:2] == (0, "night porter  +86 21 5555 0100\n")
    assert run("gates", "contact", "town/near")[:2] == (0, "night porter  +86 21 5555 0100\n")
    assert run("gates", "contact", "town/near", "--name", "x")[0] == 2
    assert run("gates", "contact", "town/near", "--name", "x", "--phone", "call me")[0] == 2
    assert run("gates", "claims", "town/near", "--json")[:2] == (0, "[]\n")


def test_words_of_others_do_not_move_the_cursor_of_a_terminal() -> None:
    assert table_of(["evidence"], [["seen\n\x1b[2J"]]).splitlines()[1] == "seen  [2J"
