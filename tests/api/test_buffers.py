"""Buffers: enough bays are kept back for late leavers, sized from the gate's record, and nobody is put out for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from api.gates.events import SeenEvent
from api.jobs.queries import work
from api.overstays.buffering import STEPS_MIN, LateLaw, Mornings, late_law, size_buffer
from api.overstays.buffers import record_mornings, size_due_buffers
from api.overstays.jobs import size_buffers
from tests.api.gate_town import HOUR, MINUTE, GateTown, make_gate_town
from tests.api.late_mornings import made_mornings, share_of_mornings_held
from tests.api.supply import Lane, book, ok, open_lane, problem, publish, tower, with_bays

NOTHING = Mornings(np.zeros(0, dtype=np.int64), np.zeros((0, len(STEPS_MIN)), dtype=np.int64))


def seen(*mornings: tuple[int, int]) -> Mornings:
    """Give mornings of so many cars, so many of them late; all gone by an hour."""
    cars = np.array([cars for cars, _ in mornings], dtype=np.int64)
    still = [[late if step < 60 else 0 for step in STEPS_MIN] for _, late in mornings]
    return Mornings(cars, np.array(still, dtype=np.int64))


def law_of(own: Mornings, pool: Mornings = NOTHING) -> LateLaw:
    law = late_law(own, pool, step=0)
    assert law is not None
    return law


# ---------------------------------------------------------------------------------------------------------- arithmetic


def test_a_thin_record_is_drawn_towards_the_schemes_and_a_long_one_is_not() -> None:
    pool = seen(*[(50, 5)] * 40)
    thin, long = law_of(seen((2, 0)), pool), law_of(seen(*[(50, 0)] * 200), pool)
    assert thin.share == pytest.approx(0.1 * 60 / 62, rel=0.01)
    assert long.share < 0.001
    assert (thin.pool_weight, long.pool_weight) == (60 / 62, 60 / 10_060)


def test_with_hardly_any_car_seen_nothing_is_said() -> None:
    assert late_law(seen((20, 2)), NOTHING, step=0) is None
    assert late_law(seen((20, 2)), seen((20, 1)), step=0) is not None


def test_cars_that_are_late_together_need_more_bays_than_cars_that_are_late_each_by_itself() -> None:
    together = law_of(seen(*[(20, 10), (20, 0), (20, 0), (20, 0)] * 25))
    apart = law_of(seen(*[(20, 3), (20, 2), (20, 2), (20, 3)] * 25))
    assert together.share == pytest.approx(apart.share, abs=0.01)
    more, fewer = (size_buffer(law, bays=20, confidence=0.95).buffer_bays for law in (together, apart))
    assert more > fewer


@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=3, max_size=30),
    st.integers(1, 60),
    st.floats(0.5, 0.99),
)
def test_the_buffer_is_the_smallest_that_is_enough_and_more_confidence_never_needs_fewer(
    mornings: list[tuple[int, float]], bays: int, confidence: float
) -> None:
    law = late_law(seen(*[(cars, int(cars * share)) for cars, share in mornings]), seen((40, 4)), step=0)
    assert law is not None
    found = size_buffer(law, bays=bays, confidence=confidence)
    assert 0 <= found.buffer_bays <= bays
    assert found.chance >= confidence
    assert size_buffer(law, bays=bays, confidence=(1 + confidence) / 2).buffer_bays >= found.buffer_bays


def test_owners_who_come_late_need_no_buffer_and_those_who_come_at_once_do() -> None:
    law = law_of(seen(*[(20, 4)] * 50))
    nobody = np.zeros((30, len(STEPS_MIN)), dtype=np.int64)
    late = nobody.copy()
    late[:, STEPS_MIN.index(60) :] = 20
    at_once = np.full_like(nobody, 18)
    sizes = [
        size_buffer(law, bays=20, confidence=0.95, own_cars=own, places=20).buffer_bays
        for own in (nobody, late, at_once)
    ]
    assert sizes[:2] == [0, 0]
    assert sizes[2] > 5


def test_a_place_that_is_full_of_its_owners_cars_shares_nothing() -> None:
    law = law_of(seen(*[(20, 4)] * 50))
    full = np.full((30, len(STEPS_MIN)), 25, dtype=np.int64)
    assert size_buffer(law, bays=20, confidence=0.95, own_cars=full, places=20).buffer_bays == 20


@pytest.mark.parametrize("own_mornings", [1, 10, 90])
def test_on_made_up_mornings_buffers_are_enough_as_often_as_they_say(own_mornings: int) -> None:
    """With one morning of its own the scheme's record speaks; with ninety the facility's own does."""
    held, size = share_of_mornings_held(3, own_mornings=own_mornings, facilities=40)
    assert held >= 0.94
    assert size < 12


def test_without_the_spread_between_mornings_buffers_would_be_too_small() -> None:
    """The twin: what a plain binomial with the right share says does not hold."""
    generator = np.random.default_rng(0)
    made = made_mornings(generator, mornings=4000, cars=40, share=0.1, correlation=0.2)
    naive = LateLaw(0.1 * 1e6, 0.9 * 1e6, np.ones(len(STEPS_MIN)), 0.0)
    too_small = size_buffer(naive, bays=46, confidence=0.95).buffer_bays
    enough = size_buffer(law_of(made), bays=46, confidence=0.95).buffer_bays
    assert float((made.still[:, 0] <= too_small).mean()) < 0.93
    assert float((made.still[:, 0] <= enough).mean()) > 0.94


# ------------------------------------------------------------------------------------------------------------ mornings


@pytest.fixture
def gates(engine: Engine) -> GateTown:
    return make_gate_town(engine)


def drive(gates: GateTown, plate: str, *, begins: datetime, leaves: datetime, name: str) -> None:
    events = SeenEvent(f"{name} in", "entry", begins, plate), SeenEvent(f"{name} out", "exit", leaves, plate)
    gates.send(*events, now=leaves)


def test_a_morning_counts_the_cars_seen_and_how_long_the_late_ones_stayed(gates: GateTown, engine: Engine) -> None:
    leave_by = gates.night + 14 * HOUR
    for number, late in enumerate((-30, 12, 40)):
        plate = f"沪A1234{number}"
        gates.add_stay(gates.resident(plate, f"r{number}"), gates.night, leave_by, bay=number + 1)
        gates.refresh(gates.night)
        drive(gates, plate, begins=gates.night + MINUTE, leaves=leave_by + late * MINUTE, name=plate)
    for _ in range(2):  # however often it is looked at
        with work(engine) as connection:
            assert record_mornings(connection, now=leave_by + 3 * HOUR) == 1
    [row] = gates.rows("SELECT cars, late_cars, late_min, still, own_cars FROM late_mornings")
    assert row == (3, 2, 52, [2, 2, 2, 1, 1, 1, 0, 0, 0, 0], None)


def test_a_morning_that_is_not_over_is_not_counted_yet(gates: GateTown, engine: Engine) -> None:
    leave_by = gates.night + 14 * HOUR
    gates.add_stay(gates.resident("沪A12345"), gates.night, leave_by)
    gates.refresh(gates.night)
    drive(gates, "沪A12345", begins=gates.night, leaves=leave_by, name="a")
    with work(engine) as connection:
        assert record_mornings(connection, now=leave_by + HOUR) == 0


def test_the_owners_own_cars_are_counted_where_the_gate_sees_them(gates: GateTown, engine: Engine) -> None:
    leave_by = gates.night + 14 * HOUR
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO buffer_settings VALUES (:f, 0.95, false, 0, true, 6, NULL, :now)"),
            {"f": gates.town.near, "now": gates.night},
        )
    gates.add_stay(gates.resident("沪A12345"), gates.night, leave_by)
    gates.refresh(gates.night)
    drive(gates, "沪A12345", begins=gates.night, leaves=leave_by - MINUTE, name="a")
    drive(gates, "沪B00001", begins=leave_by + 8 * MINUTE, leaves=leave_by + 70 * MINUTE, name="own")
    with work(engine) as connection:
        record_mornings(connection, now=leave_by + 3 * HOUR)
    [(own,)] = gates.rows("SELECT own_cars FROM late_mornings")
    assert own == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]


# ------------------------------------------------------------------------------------------------ estimates and changes


@pytest.fixture
def town(engine: Engine, lane: Path) -> Iterator[Lane]:
    with open_lane(engine, lane) as town:
        yield town


def remember(town: Lane, facility: int, *, cars: int, late: int, mornings: int = 60) -> None:
    """Write a record of equal mornings up to today."""
    today = datetime.now(UTC).date()
    row = "INSERT INTO late_mornings VALUES (:f, :day, :cars, :still, :late, 0, NULL)"
    still = [late if step < 60 else 0 for step in STEPS_MIN]
    with town.engine.begin() as connection:
        for day in range(1, mornings + 1):
            values = {"f": facility, "day": today - timedelta(days=day), "cars": cars, "still": still, "late": late}
            connection.execute(text(row), values)


def size(town: Lane, *, now: datetime | None = None) -> dict[str, int]:
    with work(town.engine) as connection:
        return size_due_buffers(connection, now=now or datetime.now(UTC))


def buffer_of(town: Lane, facility: int) -> dict[str, Any]:
    found: dict[str, Any] = ok(town.owner.get(f"/v1/facilities/{facility}/buffer"))
    return found


def choose(town: Lane, facility: int, **wanted: object) -> None:
    ok(town.owner.put(f"/v1/facilities/{facility}/buffer", json=wanted))


def test_a_change_is_proposed_and_made_when_the_owner_says_so(town: Lane) -> None:
    facility = publish(town, with_bays(20))
    remember(town, facility, cars=20, late=2)
    assert size(town) == {"estimated": 1, "changed": 0}
    assert size(town) == {"estimated": 0, "changed": 0}, "once a day"
    shown = buffer_of(town, facility)
    [estimate] = shown["estimates"]
    assert (shown["buffer_bays"], estimate["state"], estimate["buffer_before"], estimate["mornings"]) == (
        0,
        "proposed",
        0,
        60,
    )
    assert estimate["buffer_bays"] >= 2
    after = ok(town.owner.post(f"/v1/facilities/{facility}/buffer/application"))
    assert (after["buffer_bays"], after["estimates"][0]["state"]) == (estimate["buffer_bays"], "applied")
    assert town.count("SELECT buffer_bays FROM facilities WHERE id = :f", f=facility) == estimate["buffer_bays"]
    problem(town.owner.post(f"/v1/facilities/{facility}/buffer/application"), 409)
    newest = ok(town.owner.get(f"/v1/facilities/{facility}/history"))["history"][0]
    assert (newest["act"], newest["reason"]) == ("published", "buffer sized from what the gate saw")


def test_it_changes_by_itself_only_where_the_owner_wants_that(town: Lane) -> None:
    facility, other = publish(town, with_bays(20)), publish(town, tower(id="t2"))
    choose(town, facility, automatic=True, confidence=0.9)
    remember(town, facility, cars=20, late=2)
    remember(town, other, cars=3, late=1)
    assert size_buffers(town.engine)["changed"] == 1
    shown = buffer_of(town, facility)
    assert shown["buffer_bays"] == shown["estimates"][0]["buffer_bays"] > 0
    assert shown["settings"]["automatic"] is True
    assert buffer_of(town, other)["buffer_bays"] == 0


def test_nobody_who_has_booked_loses_a_bay_by_it(town: Lane) -> None:
    facility = publish(town)  # three bays
    for number in range(3):
        ok(book(town.resident(f"r{number}"), facility, days=1), 201)
    choose(town, facility, automatic=True)
    remember(town, facility, cars=3, late=1)
    assert size(town)["changed"] == 0
    assert (buffer_of(town, facility)["buffer_bays"], buffer_of(town, facility)["estimates"][0]["state"]) == (
        0,
        "proposed",
    )
    assert "notice" in problem(town.owner.post(f"/v1/facilities/{facility}/buffer/application"), 409)["detail"]
    assert town.count("SELECT count(*) FROM stays WHERE state = 'confirmed'") == 3


def test_bays_that_permits_hold_are_kept_back_only_when_the_term_ends(town: Lane) -> None:
    facility = publish(town)
    night = datetime.now(UTC).date() + timedelta(days=60)
    fill(town, facility, night, taken=3)
    choose(town, facility, automatic=True)
    remember(town, facility, cars=3, late=1)
    assert size(town)["changed"] == 0
    assert buffer_of(town, facility)["estimates"][0]["state"] == "at_term_change"
    assert "term" in problem(town.owner.post(f"/v1/facilities/{facility}/buffer/application"), 409)["detail"]
    fill(town, facility, night, taken=0)
    ok(town.owner.post(f"/v1/facilities/{facility}/buffer/application"))
    kept = buffer_of(town, facility)["buffer_bays"]
    most = "SELECT max(l.bays) FROM ledger_nights l JOIN bay_groups g ON g.id = l.bay_group_id WHERE g.facility_id = :f"
    assert town.count(most, f=facility) == 3 - kept, "the ledger promises no more than there is"


def fill(town: Lane, facility: int, night: date, *, taken: int) -> None:
    with town.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ledger_nights SELECT id, :night, 3, :taken FROM bay_groups WHERE facility_id = :f "
                "ON CONFLICT (bay_group_id, night) DO UPDATE SET taken = EXCLUDED.taken"
            ),
            {"night": night, "taken": taken, "f": facility},
        )


def test_a_thin_record_in_a_small_scheme_says_nothing(town: Lane) -> None:
    facility = publish(town, with_bays(20))
    remember(town, facility, cars=5, late=1, mornings=3)
    assert size(town) == {"estimated": 0, "changed": 0}
    assert buffer_of(town, facility)["estimates"] == []


def test_nobody_else_sees_or_changes_it(town: Lane) -> None:
    facility = publish(town)
    for client, status in ((town.other, 404), (town.resident(), 404), (town.public, 401)):
        problem(client.get(f"/v1/facilities/{facility}/buffer"), status)
        problem(client.put(f"/v1/facilities/{facility}/buffer", json={"confidence": 0.6}), status)
        problem(client.post(f"/v1/facilities/{facility}/buffer/application"), status)
    problem(town.owner.put(f"/v1/facilities/{facility}/buffer", json={"confidence": 1}), 422)
