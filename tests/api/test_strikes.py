"""Whoever leaves late is struck once, by published rules, may say why, and gets back what was wrongly taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from api.accounts.opening import open_as
from api.app import create_app
from api.gates.events import SeenEvent
from api.jobs.queries import work
from api.openings.permit_queries import active_permits
from api.overstays import jobs
from api.overstays.appeals import AppealImpossible, StrikeNotFound, appeal, decide
from api.overstays.consequences import carry_out_due
from api.overstays.jobs import remind_holders, strike_late_cars
from api.overstays.late_cars import overstay_figures
from api.overstays.policy import DEFAULT, Offence, Rung, UnusablePolicy, places_of, policy_from
from api.overstays.striking import strike_late_leavers
from tests.api.accounts import SomeAccount, make_owner, make_planner, settings_of_tests, signed_in
from tests.api.estates import give_facility
from tests.api.gate_town import HOUR, MINUTE, GateTown, make_gate_town
from tests.api.running import Run
from tests.api.test_permit_nights import add_permit as permit_of_some_household
from tests.api.test_permit_nights import garage_of_three, nights_in, sell

DAY = timedelta(days=1)
PLATE = "沪A12345"
START = datetime(2026, 3, 2, 10, tzinfo=UTC)
"""A Monday evening, 18 h in Shanghai."""

# ---------------------------------------------------------------------------------------------------------- the ladder

EXITS = st.lists(
    st.tuples(st.integers(0, 400), st.booleans()).map(lambda drawn: (START + drawn[0] * DAY, drawn[1])),
    max_size=12,
).map(lambda rows: [Offence(number, at, lifted=lifted) for number, (at, lifted) in enumerate(rows)])


@given(EXITS, st.randoms(use_true_random=False), st.integers(1, 200))
def test_the_same_late_exits_in_any_order_give_the_same_strikes(
    exits: list[Offence], chance: Random, expires: int
) -> None:
    shuffled = list(exits)
    chance.shuffle(shuffled)
    assert places_of(shuffled, expires_days=expires) == places_of(exits, expires_days=expires)


@given(EXITS, st.integers(1, 200))
def test_lifting_a_strike_never_makes_another_one_harder(exits: list[Offence], expires: int) -> None:
    before = places_of(exits, expires_days=expires)
    for one in exits:
        lifted = [Offence(o.stay_id, o.leave_by, lifted=o.lifted or o is one) for o in exits]
        after = places_of(lifted, expires_days=expires)
        assert after[one.stay_id] == 0
        assert all(after[stay] <= before[stay] for stay in before)


def test_an_expired_strike_counts_no_more() -> None:
    exits = [Offence(1, START), Offence(2, START + 179 * DAY), Offence(3, START + 181 * DAY)]
    assert places_of(exits, expires_days=180) == {1: 1, 2: 2, 3: 2}


def test_whoever_is_struck_more_often_than_there_are_rungs_stays_on_the_last() -> None:
    assert [DEFAULT.rung(place).act for place in (1, 2, 3, 4, 5, 99)] == [
        "warning",
        "fee",
        "suspension",
        "end",
        "end",
        "end",
    ]
    assert policy_from(DEFAULT.document()) == DEFAULT


@pytest.mark.parametrize(
    "ladder",
    [
        [],
        [{"act": "fee"}],
        [{"act": "warning", "amount_cents": 100}],
        [{"act": "suspension"}],
        [{"act": "warning", "nights": 3}],
        [{"act": "end", "nights": 30}, {"act": "warning"}],
    ],
)
def test_a_ladder_that_makes_no_sense_is_refused(ladder: list[dict[str, Any]]) -> None:
    with pytest.raises(UnusablePolicy):
        policy_from({**DEFAULT.document(), "ladder": ladder})


# ------------------------------------------------------------------------------------------------------------- strikes


@dataclass(frozen=True, slots=True)
class Late:
    """A household that leaves late, night after night."""

    gates: GateTown
    who: SomeAccount

    def night(self, number: int, *, late_min: int | None = 30, told: datetime | None = None) -> datetime:
        """Stay one night, so many after `START`, and leave late; return when the car left, or should have."""
        begins, leave_by = START + number * DAY, START + number * DAY + 14 * HOUR
        self.gates.add_stay(self.who, begins, leave_by)
        self.gates.refresh(begins)
        self.gates.send(SeenEvent(f"in {number}", "entry", begins + MINUTE, PLATE), now=begins + MINUTE)
        if late_min is None:
            return leave_by
        left = leave_by + late_min * MINUTE
        self.gates.send(SeenEvent(f"out {number}", "exit", left, PLATE), now=told or left)
        return left

    def strike(self, now: datetime) -> int:
        with work(self.gates.engine) as connection:
            return strike_late_leavers(connection, now=now)

    def carry_out(self, now: datetime) -> int:
        with work(self.gates.engine) as connection:
            return carry_out_due(connection, now=now)

    def struck(self, number: int) -> datetime:
        """Stay a night, leave late, be struck an hour later; return when that was."""
        now = self.night(number) + HOUR
        assert self.strike(now) == 1
        return now

    def strikes(self) -> list[tuple[object, ...]]:
        return self.gates.rows("SELECT place, act, state, effect FROM strikes ORDER BY leave_by")

    def strike_id(self, number: int) -> int:
        """Give the id of the so-and-so-many-th strike, from 1."""
        [(found,)] = self.gates.rows(
            "SELECT id FROM strikes ORDER BY leave_by LIMIT 1 OFFSET :skipped", skipped=number - 1
        )
        assert isinstance(found, int)
        return found

    def appeal(self, number: int, *, now: datetime, by: SomeAccount | None = None) -> None:
        who = by or self.who
        with self.gates.engine.begin() as connection:
            open_as(connection, who.principal)
            appeal(
                connection,
                self.strike_id(number),
                household_id=who.household_id,
                account_id=who.account_id,
                words="the gate was shut",
                now=now,
            )

    def decide(self, number: int, decision: Any, *, now: datetime) -> None:  # noqa: ANN401 -- a literal
        with self.gates.engine.begin() as connection:
            connection.execute(text("SELECT set_config('role', 'baytide_service', true)"))
            connection.execute(text("SELECT set_config('baytide.roles', 'planner', true)"))
            decide(connection, self.strike_id(number), decision=decision, note="seen", account_id=None, now=now)

    def told(self, kind: str) -> list[dict[str, Any]]:
        rows = self.gates.rows("SELECT facts FROM notices WHERE kind = :kind ORDER BY id", kind=kind)
        return [dict(facts) for (facts,) in rows]  # type: ignore[call-overload]  # JSON objects

    def bans(self) -> list[tuple[object, ...]]:
        return self.gates.rows("SELECT starts_at, ends_at FROM plates_off_list WHERE ends_at > starts_at ORDER BY id")


@pytest.fixture
def late(engine: Engine) -> Late:
    gates = make_gate_town(engine)
    return Late(gates, gates.resident(PLATE))


def test_a_late_exit_is_one_strike_however_often_it_is_looked_at(late: Late) -> None:
    now = late.struck(0)
    assert [late.strike(now), late.strike(now + HOUR)] == [0, 0]
    assert late.strikes() == [(1, "warning", "standing", "waiting")]
    [notice] = late.told("strike")
    assert (notice["place"], notice["act"], notice["late_min"]) == (1, "warning", 30)
    assert notice["next_date"] == (now + DAY).isoformat()
    assert notice["appeal_until"] == (now + 7 * DAY).isoformat()


@pytest.mark.parametrize(("late_min", "strikes"), [(-5, 0), (0, 0), (15, 0), (16, 1)])
def test_within_the_grace_nobody_is_struck(late: Late, late_min: int, strikes: int) -> None:
    assert late.strike(late.night(0, late_min=late_min) + HOUR) == strikes


def test_a_car_that_is_still_there_is_told_once_and_struck_when_it_has_left(late: Late) -> None:
    leave_by = late.night(0, late_min=None)
    assert late.strike(leave_by + 10 * MINUTE) == 0
    assert late.told("overstay") == []
    for minutes in (20, 25):
        assert late.strike(leave_by + minutes * MINUTE) == 0
    assert [told["leave_by"] for told in late.told("overstay")] == [leave_by.isoformat()]
    late.gates.send(SeenEvent("out", "exit", leave_by + HOUR, PLATE), now=leave_by + HOUR)
    assert late.strike(leave_by + 2 * HOUR) == 1


def test_a_car_that_nobody_saw_come_is_not_struck(late: Late) -> None:
    late.gates.add_stay(late.who, START, START + 14 * HOUR)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("out", "exit", START + 15 * HOUR, PLATE), now=START + 15 * HOUR)
    assert late.strike(START + 16 * HOUR) == 0


def test_a_car_whose_next_night_is_listed_already_is_not_struck_before_it_has_left_and_the_grace_is_over(
    late: Late,
) -> None:
    """A permit's nights stand on the list two weeks ahead."""
    late.gates.add_stay(late.who, START + DAY, START + DAY + 14 * HOUR)
    leave_by = late.night(0, late_min=None)
    assert late.strike(leave_by + MINUTE) == 0
    assert late.strike(leave_by + 20 * MINUTE) == 0
    assert len(late.told("overstay")) == 1
    late.gates.send(SeenEvent("out", "exit", leave_by + 30 * MINUTE, PLATE), now=leave_by + 30 * MINUTE)
    assert late.strike(leave_by + HOUR) == 1


def test_a_car_whose_exit_nobody_saw_is_not_struck_when_its_next_night_begins(late: Late) -> None:
    late.gates.add_stay(late.who, START + DAY, START + DAY + 14 * HOUR)
    late.night(0, late_min=None)
    assert late.strike(START + DAY + HOUR) == 0


@pytest.mark.parametrize(("coming", "going"), [("沪A1234S", "沪A12345"), ("沪A12345", "沪A1234S")])
def test_a_reading_that_was_corrected_by_a_rule_strikes_nobody(late: Late, coming: str, going: str) -> None:
    """It may have been a stranger's car."""
    late.gates.add_stay(late.who, START, START + 14 * HOUR)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START + MINUTE, coming), now=START + MINUTE)
    late.gates.send(SeenEvent("out", "exit", START + 15 * HOUR, going), now=START + 15 * HOUR)
    assert late.strike(START + 16 * HOUR) == 0


def test_whose_bay_was_taken_is_not_struck_for_leaving_another_way(late: Late) -> None:
    stay = late.gates.add_stay(late.who, START, START + 14 * HOUR)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START + MINUTE, PLATE), now=START + MINUTE)
    late.gates.end_stay(stay, state="given_back", at=START + 10 * MINUTE)
    with late.gates.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO bay_claims (stay_id, household_id, facility_id, bay_id, until, claimed_at, outcome) "
                "SELECT s.id, s.household_id, :facility, s.bay_id, upper(s.during), s.ended_at, 'money_back' "
                "FROM stays s WHERE s.id = :stay"
            ),
            {"facility": late.gates.town.near, "stay": stay},
        )
    late.gates.refresh(START + 10 * MINUTE)
    late.gates.send(SeenEvent("out", "exit", START + HOUR, PLATE), now=START + HOUR)
    assert late.strike(START + 2 * HOUR) == 0


def test_a_strike_is_taken_back_when_a_gate_tells_later_that_the_car_left_in_time(late: Late) -> None:
    """One gate was cut off: it saw the car leave at seven and come back at nine, the other saw it leave at ten."""
    leave_by = late.night(0, late_min=None)
    now = leave_by + 3 * HOUR
    late.gates.send(SeenEvent("out again", "exit", leave_by + 2 * HOUR, PLATE), now=now)
    assert strike_late_cars(late.gates.engine, now=now)["strikes"] == 1
    assert strike_late_cars(late.gates.engine, now=now)["taken_back"] == 0
    late.gates.send(
        SeenEvent("out", "exit", leave_by - HOUR, PLATE),
        SeenEvent("in again", "entry", leave_by + HOUR, PLATE),
        now=now + HOUR,
    )
    for taken_back in (1, 0):
        done = strike_late_cars(late.gates.engine, now=now + HOUR)
        assert (done["strikes"], done["taken_back"]) == (0, taken_back)
    assert late.strikes() == [(0, "warning", "lifted", "undone")]
    assert [told["taken_back"] for told in late.told("appeal_decided")] == ["left_in_time"]


def test_a_strike_that_is_appealed_against_waits_for_its_planner(late: Late) -> None:
    now = late.struck(0)
    late.appeal(1, now=now)
    with late.gates.engine.begin() as connection:
        connection.execute(text("DELETE FROM gate_sessions"))
    assert strike_late_cars(late.gates.engine, now=now)["taken_back"] == 0


def test_strikes_are_given_in_parts_that_add_up(late: Late, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_AT_ONCE", 1)
    late.night(0)
    now = late.night(1) + HOUR
    assert strike_late_cars(late.gates.engine, now=now) == {"strikes": 2, "taken_back": 0, "consequences": 0}
    assert strike_late_cars(late.gates.engine, now=now + 25 * HOUR) == {
        "strikes": 0,
        "taken_back": 0,
        "consequences": 2,
    }


def test_the_ladder_is_climbed_rung_by_rung(late: Late) -> None:
    four_times(late)
    assert late.strikes() == [
        (1, "warning", "standing", "done"),
        (2, "fee", "standing", "done"),
        (3, "suspension", "standing", "done"),
        (4, "end", "standing", "waiting"),
    ]
    assert [told["amount_cents"] for told in late.told("fee_due")] == [5000]
    assert len(late.told("permit_suspended")) == 1
    assert len(late.told("plate_off_list")) == 1, "the plate goes off the list at once, appeal or not"


def test_a_gate_that_was_cut_off_changes_nothing_about_which_strike_is_which(late: Late) -> None:
    """The first night's exit is told after the second night's strike."""
    late.night(0, late_min=None)
    first_left = START + 14 * HOUR + 30 * MINUTE
    now = late.night(1) + HOUR
    late.gates.send(SeenEvent("out 0", "exit", first_left, PLATE), now=now)
    assert late.strike(now) == 2
    assert [row[:2] for row in late.strikes()] == [(1, "warning"), (2, "fee")]


def test_nothing_follows_before_its_time(late: Late) -> None:
    now = late.struck(0)
    assert (late.carry_out(now + 23 * HOUR), late.carry_out(now + 25 * HOUR), late.carry_out(now + 26 * HOUR)) == (
        0,
        1,
        0,
    )


# -------------------------------------------------------------------------------------------------- suspension and end


def four_times(late: Late) -> datetime:
    """Have the household struck four times; return when it was for the last time."""
    now = START
    for number in range(4):
        now = late.struck(10 * number)
        late.carry_out(now + 25 * HOUR)
    return now


def suspended(late: Late) -> datetime:
    """Have the household suspended; return when."""
    now = START
    for number in range(3):
        now = late.struck(2 * number) + 25 * HOUR
        late.carry_out(now)
    return now


def noon(moment: datetime) -> datetime:
    """Give noon of the day after, in Shanghai."""
    zone = ZoneInfo("Asia/Shanghai")
    return datetime.combine(moment.astimezone(zone).date() + DAY, datetime.min.time(), zone) + 12 * HOUR


def test_a_suspension_keeps_the_plate_off_the_list_and_frees_the_bays_of_its_nights(late: Late) -> None:
    later = [late.gates.add_stay(late.who, START + day * DAY, START + day * DAY + HOUR) for day in (7, 12, 20)]
    now = suspended(late)
    begins = noon(now)
    assert late.bans() == [(begins, begins + 7 * DAY)]
    states = late.gates.rows("SELECT state FROM stays WHERE id = ANY(:ids) ORDER BY id", ids=later)
    assert [state for (state,) in states] == ["cancelled", "cancelled", "confirmed"]
    [told] = late.told("permit_suspended")
    assert (told["stays"], told["next_date"]) == (2, (begins + 7 * DAY).isoformat())


def test_nights_of_a_permit_are_not_placed_while_its_household_is_suspended(late: Late) -> None:
    now = suspended(late)
    with late.gates.engine.begin() as connection:
        add_permit(connection, late)
        [permit] = active_permits(connection, [late.gates.town.near], since=date(2026, 3, 1))
    first = noon(now).date()
    assert permit.absences == ((first, first + 6 * DAY),)


def add_permit(connection: Any, late: Late) -> int:  # noqa: ANN401 -- a connection
    return int(
        connection.execute(
            text(
                "INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min) "
                "SELECT :household, v.id, :near, '[2026-03-01,2026-07-01)', 'daily', 1080, 1920 "
                "FROM vehicles v WHERE v.household_id = :household RETURNING id"
            ),
            {"household": late.who.household_id, "near": late.gates.town.near_group},
        ).scalar_one()
    )


def test_what_was_suspended_is_placed_again_when_the_ban_ends(engine: Engine) -> None:
    """1 to 14 December are sold; the plate is off the list from noon of the 4th to noon of the 7th."""
    with garage_of_three(engine) as (connection, here):
        holder = permit_of_some_household(connection)
        connection.execute(
            text(
                "INSERT INTO plates_off_list (household_id, starts_at, ends_at, reason) SELECT household_id, "
                "'2026-12-04 04:00Z', '2026-12-07 04:00Z', 'strike' FROM permits WHERE id = :id"
            ),
            {"id": holder},
        )
        sold = sell(connection, here)
        assert (sold.nights.placed, sold.nights.without_bay) == (11, ())
        assert [night.day for night, _, _ in nights_in(connection, holder)] == [1, 2, 3, *range(7, 15)]
        connection.execute(text("UPDATE plates_off_list SET ends_at = '2026-12-05 04:00Z'"))
        assert sell(connection, here).nights.placed == 2
        assert [night.day for night, _, _ in nights_in(connection, holder)] == [1, 2, 3, *range(5, 15)]


def test_an_appeal_pauses_what_is_left_of_a_suspension_and_lifting_ends_it(late: Late) -> None:
    now = suspended(late)
    later = noon(now) + 2 * DAY + HOUR
    late.appeal(3, now=later)
    assert late.bans() == [(noon(now), later)]
    assert late.strikes()[2] == (3, "suspension", "standing", "waiting")
    assert late.carry_out(later + 5 * DAY) == 0, "it waits as long as the appeal does"
    late.decide(3, "upheld", now=later + 5 * DAY)
    assert late.carry_out(later + 5 * DAY) == 1
    start, end = late.bans()[1]
    assert end - start == 5 * DAY, "two of its seven nights were served"  # type: ignore[operator]  # moments


def test_a_lifted_strike_is_undone_and_those_after_it_weigh_less(late: Late) -> None:
    now = suspended(late)
    late.appeal(2, now=now)
    late.decide(2, "lifted", now=now + HOUR)
    assert late.strikes() == [
        (1, "warning", "standing", "done"),
        (0, "fee", "lifted", "undone"),
        (2, "fee", "standing", "waiting"),
    ]
    assert late.bans() == [], "the suspension was the third strike's, which is the second now"
    [told] = late.told("appeal_decided")
    assert (told["decision"], told["reason"]) == ("lifted", "seen")


def test_a_permit_ends_only_when_no_appeal_is_possible_any_more(late: Late) -> None:
    with late.gates.engine.begin() as connection:
        permit = add_permit(connection, late)
    now = four_times(late)
    state = "SELECT state, end_reason FROM permits WHERE id = :permit"
    assert late.gates.rows(state, permit=permit) == [("active", None)]
    assert late.carry_out(now + 6 * DAY) == 0
    assert late.carry_out(now + 8 * DAY) == 1
    assert late.gates.rows(state, permit=permit) == [("ended", "strikes")]
    assert len(late.told("permit_ended")) == 1
    assert len(late.bans()) == 2


def test_a_plate_stays_off_the_list_while_an_appeal_against_the_end_waits(late: Late) -> None:
    now = four_times(late)
    late.appeal(4, now=now + DAY)
    assert late.bans()[-1] == (noon(now), noon(now) + 37 * DAY)
    late.decide(4, "lifted", now=now + 2 * DAY)
    assert late.bans()[-1] == (noon(now), now + 2 * DAY)


# ------------------------------------------------------------------------------------------------------------- appeals


def test_an_appeal_is_made_once_in_time_and_by_the_household_itself(late: Late) -> None:
    now = late.struck(0)
    other = late.gates.resident("沪B00001", "other")
    with pytest.raises(StrikeNotFound):
        late.appeal(1, now=now, by=other)
    with pytest.raises(AppealImpossible, match="until"):
        late.appeal(1, now=now + 7 * DAY)
    late.appeal(1, now=now + 6 * DAY)
    with pytest.raises(AppealImpossible, match="already"):
        late.appeal(1, now=now + 6 * DAY)


def test_a_decision_is_made_once_and_only_on_an_appeal(late: Late) -> None:
    now = late.struck(0)
    with pytest.raises(AppealImpossible):
        late.decide(1, "lifted", now=now)
    late.appeal(1, now=now)
    late.decide(1, "upheld", now=now)
    with pytest.raises(AppealImpossible):
        late.decide(1, "lifted", now=now)
    assert late.strikes() == [(1, "warning", "standing", "waiting")]


def test_movements_are_kept_while_something_about_them_is_in_dispute(late: Late) -> None:
    now = late.struck(0)
    late.appeal(1, now=now)
    assert late.gates.rows("SELECT disputed FROM gate_sessions") == [(True,)]
    late.decide(1, "upheld", now=now)
    assert late.gates.rows("SELECT disputed FROM gate_sessions") == [(False,)]


# ----------------------------------------------------------------------------------------------------------- reminders


def permit_night(late: Late, begins: datetime) -> None:
    with late.gates.engine.begin() as connection:
        permit = add_permit(connection, late)
        connection.execute(
            text(
                "INSERT INTO stays (bay_id, household_id, permit_id, night, during, kind, state) "
                "SELECT id, :household, :permit, '2026-03-02', tstzrange(:begins, :ends), 'permit', 'confirmed' "
                "FROM bays WHERE bay_group_id = :near AND number = 1"
            ),
            {
                "household": late.who.household_id,
                "permit": permit,
                "begins": begins,
                "ends": begins + 14 * HOUR,
                "near": late.gates.town.near_group,
            },
        )


def test_a_permit_holder_is_reminded_once_while_the_car_is_still_there(late: Late) -> None:
    permit_night(late, START)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START, PLATE), now=START)
    leave_by = START + 14 * HOUR
    engine = late.gates.engine
    assert remind_holders(engine, now=leave_by - 31 * MINUTE) == {"notices": 0}
    assert remind_holders(engine, now=leave_by - 29 * MINUTE) == {"notices": 1}
    assert remind_holders(engine, now=leave_by - 20 * MINUTE) == {"notices": 0}


def test_a_permit_holder_who_has_left_is_not_bothered(late: Late) -> None:
    permit_night(late, START)
    late.gates.refresh(START)
    events = SeenEvent("in", "entry", START, PLATE), SeenEvent("out", "exit", START + 13 * HOUR, PLATE)
    late.gates.send(*events, now=START + 13 * HOUR)
    assert remind_holders(late.gates.engine, now=START + 14 * HOUR - 20 * MINUTE) == {"notices": 0}


def test_where_there_is_no_gate_permit_holders_are_reminded(late: Late) -> None:
    permit_night(late, START)
    with late.gates.engine.begin() as connection:
        connection.execute(text("UPDATE gate_devices SET revoked_at = now()"))
    assert remind_holders(late.gates.engine, now=START + 14 * HOUR - 20 * MINUTE) == {"notices": 1}


def test_whoever_stays_on_at_the_same_place_need_not_leave(late: Late) -> None:
    permit_night(late, START)
    late.gates.add_stay(late.who, START + 14 * HOUR, START + 20 * HOUR, bay=2)
    late.gates.refresh(START)
    late.gates.send(SeenEvent("in", "entry", START, PLATE), now=START)
    assert remind_holders(late.gates.engine, now=START + 14 * HOUR - 20 * MINUTE) == {"notices": 0}


# -------------------------------------------------------------------------------------------------------- over the wire


@pytest.fixture
def public(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), engine), base_url="http://127.0.0.1") as client:
        yield client


def recently(late: Late, *, left: bool) -> datetime:
    """Let the car overstay a night that ended an hour ago, by the real clock; return its leave-by time."""
    leave_by = datetime.now(UTC).replace(microsecond=0) - HOUR
    begins = leave_by - 10 * HOUR
    late.gates.add_stay(late.who, begins, leave_by)
    late.gates.refresh(begins)
    late.gates.send(SeenEvent("now in", "entry", begins, PLATE), now=begins)
    if left:
        late.gates.send(SeenEvent("now out", "exit", leave_by + 40 * MINUTE, PLATE), now=leave_by + 40 * MINUTE)
    return leave_by


def test_an_owner_sees_who_is_still_there_and_nobody_else_does(late: Late, public: TestClient, engine: Engine) -> None:
    recently(late, left=False)
    owner, other = make_owner(engine, "owner"), make_owner(engine, "other")
    give_facility(engine, late.gates.town.near, *owner.principal.owner_ids)
    path = f"/v1/facilities/{late.gates.town.near}/late-cars"
    answer = signed_in(public, owner).get(path)
    assert answer.headers["cache-control"] == "no-store"
    [car] = answer.json()
    assert (car["plate"], 59 <= car["late_min"] <= 61) == (PLATE, True)
    assert signed_in(public, other).get(path).status_code == 404
    assert signed_in(public, late.who).get(path).status_code == 404
    late.gates.send(SeenEvent("gone", "exit", datetime.now(UTC), PLATE), now=datetime.now(UTC))
    assert signed_in(public, owner).get(path).json() == []


def test_a_household_sees_its_strike_appeals_and_reads_the_decision(
    late: Late, public: TestClient, engine: Engine
) -> None:
    recently(late, left=True)
    assert strike_late_cars(engine)["strikes"] == 1
    resident, planner = signed_in(public, late.who), signed_in(public, make_planner(engine))
    [strike] = resident.get("/v1/strikes").json()
    assert (strike["act"], strike["late_min"], strike["appeal"]) == ("warning", 40, None)
    other = signed_in(public, late.gates.resident("沪B00002", "other"))
    assert other.get("/v1/strikes").json() == []
    path = f"/v1/strikes/{strike['id']}"
    assert other.post(f"{path}/appeal", json={"words": "not mine"}).status_code == 404
    assert resident.post(f"{path}/appeal", json={"words": "the gate was shut"}).status_code == 201
    again = resident.post(f"{path}/appeal", json={"words": "again"})
    assert (again.status_code, again.json()["type"]) == (409, "appeal-not-possible")
    [waiting] = planner.get("/v1/neighbourhoods/town/strikes", params={"appealed": True}).json()["strikes"]
    assert waiting["appeal"]["words"] == "the gate was shut"
    wanted = {"decision": "lifted", "note": "the log shows it"}
    assert resident.post(f"{path}/decision", json=wanted).status_code == 403
    assert planner.post(f"{path}/decision", json=wanted).json()["state"] == "lifted"
    assert planner.get("/v1/neighbourhoods/town/strikes", params={"appealed": True}).json()["strikes"] == []
    [shown] = resident.get("/v1/strikes").json()
    assert (shown["place"], shown["effect"], shown["appeal"]["note"]) == (0, "undone", "the log shows it")


def test_the_rules_are_public_and_changed_by_planners(late: Late, public: TestClient, engine: Engine) -> None:
    path = "/v1/neighbourhoods/town/overstay-policy"
    rules = public.get(path).json()
    assert (rules["grace_min"], [rung["act"] for rung in rules["ladder"]]) == (
        15,
        ["warning", "fee", "suspension", "end"],
    )
    changed = {**rules, "grace_min": 60, "ladder": [{"act": "fee", "amount_cents": 900}]}
    assert signed_in(public, late.who).put(path, json=changed).status_code == 403
    planner = signed_in(public, make_planner(engine))
    assert planner.put(path, json=changed).json()["grace_min"] == 60
    assert planner.put(path, json={**rules, "ladder": [{"act": "fee"}]}).status_code == 422
    recently(late, left=True)
    assert strike_late_cars(engine)["strikes"] == 0, "forty minutes are within the hour's grace"
    assert policy_from(public.get(path).json()).ladder == (Rung("fee", amount_cents=900),)


def test_whose_plate_is_off_the_list_books_nothing_for_that_time(
    late: Late, public: TestClient, engine: Engine
) -> None:
    now = datetime.now(UTC)
    statement = (
        "INSERT INTO plates_off_list (household_id, starts_at, ends_at, reason) VALUES (:h, :from, :to, 'strike')"
    )
    with engine.begin() as connection:
        values = {"h": late.who.household_id, "from": now + DAY, "to": now + 3 * DAY}
        connection.execute(text(statement), values)
    resident = signed_in(public, late.who)
    for days, status in ((2, 403), (5, 201)):
        wanted = {
            "facility": late.gates.town.near,
            "from": (now + days * DAY).isoformat(),
            "to": (now + days * DAY + HOUR).isoformat(),
            "confirm": True,
        }
        answer = resident.post("/v1/bookings", json=wanted, headers={"Idempotency-Key": f"k{days}"})
        assert answer.status_code == status, answer.text
    assert len(late.gates.rows("SELECT id FROM stays")) == 1


def test_figures_count_those_beyond_the_grace(late: Late, public: TestClient, engine: Engine) -> None:
    row = "INSERT INTO late_mornings VALUES (:f, '2026-03-02', 20, '{6,5,4,3,2,1,1,0,0,0}', 6, 90, NULL)"
    with engine.begin() as connection:
        connection.execute(text(row), {"f": late.gates.town.near})
    late.struck(0)
    with work(engine) as connection:
        figures = overstay_figures(
            connection, late.gates.town.neighbourhood, first=date(2026, 3, 1), last=date(2026, 3, 9)
        )
    assert (figures.cars, figures.late, figures.overstay_rate, figures.mean_late_min) == (20, 3, 0.15, 15.0)
    assert figures.strikes == (("warning", 1, 0, 0),)
    asked = {"first": "2026-03-03", "last": "2026-03-09"}
    planner = signed_in(public, make_planner(engine))
    assert planner.get("/v1/neighbourhoods/town/overstays", params=asked).json()["overstay_rate"] is None


def test_the_command_prints_the_figures(late: Late, engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", engine.url.render_as_string(hide_password=False))
    row = "INSERT INTO late_mornings VALUES (:f, '2026-03-02', 20, '{6,5,4,3,2,1,1,0,0,0}', 6, 90, NULL)"
    with engine.begin() as connection:
        connection.execute(text(row), {"f": late.gates.town.near})
    late.struck(0)
    code, out, _ = run("overstays", "town", "--from", "2026-03-01", "--to", "2026-03-09")
    assert code == 0
    assert out.splitlines()[0] == "20 cars seen, 3 beyond the grace (15.0 %); those late 15 min on average"
    assert out.splitlines()[2].split() == ["warning", "1", "0", "0"]
    code, out, _ = run("overstays", "town", "--from", "2026-04-01", "--to", "2026-04-09")
    assert (code, out.strip()) == (0, "0 cars seen, 0 beyond the grace (–); those late – on average")
