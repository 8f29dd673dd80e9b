"""Whoever leaves late is struck once, by published rules, may say why, and gets back what was wrongly taken."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from api.accounts.opening import open_as
from api.facilities.withdrawing import Withdrawal, withdraw
from api.gates.events import SeenEvent
from api.jobs.queries import work
from api.notices.queries import tell_to_leave
from api.openings.permit_queries import active_permits
from api.overstays import jobs
from api.overstays.appeals import AppealImpossible, StrikeNotFound
from api.overstays.jobs import strike_late_cars
from api.overstays.policy import DEFAULT, Offence, Rung, UnusablePolicy, places_of, policy_from
from tests.api.accounts import make_owner
from tests.api.estates import give_facility
from tests.api.gate_town import HOUR, MINUTE
from tests.api.late_town import DAY, PLATE, START, Late, add_permit, make_late
from tests.api.receivers import heard, listen
from tests.api.test_permit_nights import add_permit as permit_of_some_household
from tests.api.test_permit_nights import garage_of_three, nights_in, sell
from tests.api.withdrawn_town import PLANNER

FIRE = Withdrawal("facility", "emergency", "fire")

# ---------------------------------------------------------------------------------------------------------- the ladder

EXITS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 200), st.booleans()),
    max_size=12,
).map(lambda rows: [exit_of(number, day, days, lifted=lifted) for number, (day, days, lifted) in enumerate(rows)])


def exit_of(number: int, day: int, expires_days: int = 180, *, lifted: bool = False) -> Offence:
    leave_by = START + day * DAY
    return Offence(number, leave_by, leave_by + expires_days * DAY, lifted=lifted)


@given(EXITS, st.randoms(use_true_random=False))
def test_the_same_late_exits_in_any_order_give_the_same_strikes(exits: list[Offence], chance: Random) -> None:
    shuffled = list(exits)
    chance.shuffle(shuffled)
    assert places_of(shuffled) == places_of(exits)


@given(EXITS)
def test_lifting_a_strike_never_makes_another_one_harder(exits: list[Offence]) -> None:
    before = places_of(exits)
    for one in exits:
        after = places_of([replace(o, lifted=o.lifted or o is one) for o in exits])
        assert after[one.stay_id] == 0
        assert all(after[stay] <= before[stay] for stay in before)


def test_an_expired_strike_counts_no_more() -> None:
    assert places_of([exit_of(1, 0), exit_of(2, 179), exit_of(3, 181)]) == {1: 1, 2: 2, 3: 2}


def test_each_strike_expires_by_the_rules_it_was_given_under() -> None:
    assert places_of([exit_of(1, 0, 2), exit_of(2, 5, 2), exit_of(3, 6, 180)]) == {1: 1, 2: 1, 3: 2}


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


@pytest.fixture
def late(engine: Engine) -> Late:
    return make_late(engine)


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


def test_a_car_that_has_to_leave_sooner_is_reminded_and_struck_by_that(late: Late) -> None:
    """At seven in the evening the owner needs the bay: out by nine, and it leaves half an hour later."""
    late.night(0, late_min=None)
    told = START + HOUR
    with late.gates.engine.begin() as connection:
        open_as(connection, PLANNER)
        place = late.gates.town.near
        shown = withdraw(connection, place, FIRE, principal=PLANNER, token=None, now=told)
        withdraw(connection, place, FIRE, principal=PLANNER, token=shown.consequences.token, now=told)
    late.gates.refresh(told)
    leave_by = told + 2 * HOUR
    with work(late.gates.engine) as connection:
        assert tell_to_leave(connection, ahead=HOUR, now=leave_by - 70 * MINUTE) == 0
        assert tell_to_leave(connection, ahead=HOUR, now=leave_by - 50 * MINUTE) == 1
    left = leave_by + 30 * MINUTE
    late.gates.send(SeenEvent("out", "exit", left, PLATE), now=left)
    assert late.strike(left + HOUR) == 1
    assert late.told("strike")[0]["late_min"] == 30


def test_an_owner_hears_once_of_a_car_that_is_still_there(late: Late, engine: Engine) -> None:
    facility = late.gates.town.near
    account = make_owner(engine)
    give_facility(engine, facility, *account.principal.owner_ids)
    listen(engine, next(iter(account.principal.owner_ids)), "overstay")
    leave_by = late.night(0, late_min=None)
    for minutes in (10, 20, 25):
        late.strike(leave_by + minutes * MINUTE)
    [told] = heard(engine)
    assert (told["kind"], told["facility"], told["leave_by"]) == ("overstay", facility, leave_by.isoformat())


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


@pytest.mark.parametrize(("late_min", "strikes"), [(24 * 60, 1), (24 * 60 + 1, 0)])
def test_a_car_that_seems_a_day_late_is_left_to_people(late: Late, late_min: int, strikes: int) -> None:
    """The gate may have missed that it left and came again."""
    leave_by = late.night(0, late_min=late_min)
    assert late.strike(leave_by + (late_min + 1) * MINUTE) == strikes


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
    assert [told["taken_back"] for told in late.told("appeal_decided")] == ["not_borne_out"]


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
    [fee] = late.told("fee_due")
    assert (fee["amount_cents"], fee["late_exit"]) == (5000, "2026-03-13"), "it left at half past eight in Shanghai"
    assert fee["next_date"] == "2026-03-24", "it took effect on the 14th, and leaves ten days as every fee does"
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


def test_whoever_was_told_of_a_warning_keeps_it_when_a_gate_tells_of_an_older_late_exit(late: Late) -> None:
    """It would have been the second, and a fee; the next one counts both."""
    late.night(0, late_min=None)
    late.struck(1)
    now = START + 2 * DAY
    late.gates.send(SeenEvent("out 0", "exit", START + 14 * HOUR + 30 * MINUTE, PLATE), now=now)
    assert late.strike(now) == 1
    assert [row[:2] for row in late.strikes()] == [(1, "warning"), (1, "warning")]
    late.struck(3)
    assert late.strikes()[2][:2] == (3, "suspension")


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


def test_a_plate_is_on_the_list_while_an_appeal_against_the_end_waits(late: Late) -> None:
    with late.gates.engine.begin() as connection:
        add_permit(connection, late)
    now = four_times(late)
    assert late.bans()[-1] == (noon(now), noon(now) + 37 * DAY), "off at once, as long as nobody says a word"
    late.appeal(4, now=now + 2 * DAY)
    assert late.bans()[-1] == (noon(now), now + 2 * DAY)
    assert late.carry_out(now + 20 * DAY) == 0
    late.decide(4, "upheld", now=now + 20 * DAY)
    assert late.carry_out(now + 20 * DAY) == 1
    assert late.bans()[-1] == (noon(now + 20 * DAY), noon(now + 20 * DAY) + 30 * DAY)


def test_a_plate_stays_on_the_list_while_an_appeal_against_what_led_to_the_end_waits(late: Late) -> None:
    third = [late.struck(10 * number) for number in range(3)][-1]
    late.appeal(3, now=third + DAY)
    now = late.struck(30)
    assert late.strikes()[-1] == (4, "end", "standing", "waiting")
    assert late.bans() == []
    assert late.carry_out(now + 20 * DAY) == 2, "a warning and a fee"
    late.decide(3, "upheld", now=now + 20 * DAY)
    assert late.carry_out(now + 20 * DAY) == 2
    assert late.bans()[-1] == (noon(now + 20 * DAY), noon(now + 20 * DAY) + 30 * DAY)


def test_an_appeal_against_what_led_to_the_end_puts_the_plate_back_onto_the_list(late: Late) -> None:
    now = [late.struck(2 * number) for number in range(4)][-1]
    assert late.bans() == [(noon(now), noon(now) + 37 * DAY)]
    late.appeal(3, now=now + 2 * DAY)
    assert late.bans() == [(noon(now), now + 2 * DAY)]


@pytest.mark.parametrize(
    ("change", "third"),
    [
        ({"expires_days": 180}, (2, "fee")),
        ({"expires_days": 1, "ladder": DEFAULT.ladder[2:]}, (2, "end")),
        ({"ladder": (Rung("end", nights=90),)}, (2, "end")),
    ],
)
def test_a_change_of_the_rules_leaves_strikes_as_they_were_given(
    late: Late, change: dict[str, Any], third: tuple[int, str]
) -> None:
    """Two warnings on nights 0 and 5, each of which counts for two days."""
    rules = replace(DEFAULT, expires_days=2)
    late.set_rules(rules)
    late.struck(0)
    late.struck(5)
    late.set_rules(replace(rules, **change))
    late.struck(6)
    assert [row[:2] for row in late.strikes()] == [(1, "warning"), (1, "warning"), third]


def test_a_lifted_strike_lets_later_ones_weigh_less_by_their_own_rules(late: Late) -> None:
    """Three strikes under three ladders: the third was an end, and the second rung of its ladder is a fee of 9.00."""
    now = START
    for night, second in enumerate((5000, 700, 900)):
        late.set_rules(
            replace(DEFAULT, ladder=(Rung("warning"), Rung("fee", amount_cents=second), Rung("end", nights=30)))
        )
        now = late.struck(night)
    late.set_rules(replace(DEFAULT, ladder=(Rung("end", nights=90),)))
    late.appeal(1, now=now)
    late.decide(1, "lifted", now=now)
    assert [row[:2] for row in late.strikes()] == [(0, "warning"), (1, "warning"), (2, "fee")]
    assert late.gates.rows("SELECT amount_cents FROM strikes WHERE act = 'fee'") == [(900,)]
    assert late.bans() == []


def test_a_suspension_that_is_partly_served_is_never_made_longer_again(late: Late) -> None:
    """Every strike from the second on suspends for a week; four nights of the third's were served before an appeal."""
    late.set_rules(replace(DEFAULT, appeal_days=20, ladder=(Rung("warning"), Rung("suspension", nights=7))))
    late.struck(0)
    late.struck(2)
    now = late.struck(4) + 25 * HOUR
    late.carry_out(now)
    later = noon(now) + 4 * DAY
    late.appeal(3, now=later)
    late.appeal(1, now=later)
    late.decide(1, "lifted", now=later)
    assert late.gates.rows("SELECT place, act, nights FROM strikes ORDER BY leave_by") == [
        (0, "warning", None),
        (1, "warning", None),
        (2, "suspension", 3),
    ]


def test_a_strike_is_borne_out_by_the_grace_it_was_given_under(late: Late) -> None:
    """A gate tells later that the car left ten minutes late: no strike then, though it would be one now."""
    leave_by = late.night(0, late_min=None)
    late.gates.send(SeenEvent("out again", "exit", leave_by + 2 * HOUR, PLATE), now=leave_by + 3 * HOUR)
    assert late.strike(leave_by + 3 * HOUR) == 1
    late.set_rules(replace(DEFAULT, grace_min=5))
    late.gates.send(
        SeenEvent("out", "exit", leave_by + 10 * MINUTE, PLATE),
        SeenEvent("in again", "entry", leave_by + HOUR, PLATE),
        now=leave_by + 4 * HOUR,
    )
    assert strike_late_cars(late.gates.engine, now=leave_by + 4 * HOUR)["taken_back"] == 1


def test_a_strike_that_is_lifted_leaves_the_plate_on_the_list(late: Late) -> None:
    now = four_times(late)
    late.appeal(4, now=now + 2 * DAY)
    late.decide(4, "lifted", now=now + 3 * DAY)
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
