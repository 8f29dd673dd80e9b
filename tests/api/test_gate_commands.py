"""`baytide gates`: lists out, events in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from api.errors import FolderFaults
from api.gates.event_file import read_events
from tests.api.accounts import SECRET
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
