"""The ledger: which nights a permit takes, how many bays a night has, and that no night is ever promised twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from api.calendars.day_kinds import day_kinds
from api.neighbourhoods.model import BayGroup, Closure, Facility, Window
from api.offers.service import make_offers
from api.permits.ledger import LedgerFull, LedgerShort, fill_ledger, release_nights, take_nights
from api.permits.nights import ledger_nights_of, multirange_of
from tests.api.round_town import FIRST, LAST, NOW, RoundTown, make_round_town, small_garage

KINDS = day_kinds("ZZ", first=date(2026, 10, 1), last=date(2027, 3, 1))
_ON_THE_10TH = datetime(2026, 12, 10)  # noqa: DTZ001 -- local, as every closure is
NIGHTS = (LAST - FIRST).days + 1


def nights(**own: object) -> list[int]:
    """Days of December 2026 that a permit takes, by weekends alone; the 4th is a Friday."""
    fields: dict[str, object] = {"days": "daily", "arrive_min": 1140, "leave_min": 1860, "stay_through": False, **own}
    found = ledger_nights_of(first=FIRST, last=LAST, kinds=KINDS, **fields)  # type: ignore[arg-type]
    assert all(FIRST <= night <= LAST for night in found)
    return [night.day for night in found]


def test_every_asked_evening_is_a_night() -> None:
    assert nights() == list(range(1, 32))
    assert nights(days="tue") == [1, 8, 15, 22, 29]


def test_days_left_out_are_none() -> None:
    assert nights(days="tue", days_left_out=(date(2026, 12, 8),)) == [1, 15, 22, 29]


def test_the_nights_inside_a_stay_through_rest_days_are_taken_though_nobody_asked_for_them() -> None:
    assert nights(days="fri", stay_through=True) == [4, 5, 6, 11, 12, 13, 18, 19, 20, 25, 26, 27]
    assert nights(days="fri") == [4, 11, 18, 25]


def test_a_stay_that_covers_no_two_oclock_takes_no_night() -> None:
    assert nights(arrive_min=480, leave_min=1080) == []
    assert nights(arrive_min=1140, leave_min=1560) == []  # it ends at 02:00, which is not in it
    assert nights(arrive_min=1140, leave_min=1561, days="tue") == [1, 8, 15, 22, 29]


def test_a_stay_after_midnight_is_of_the_night_before() -> None:
    assert nights(arrive_min=60, leave_min=420, days="wed") == [1, 8, 15, 22, 29]


def test_nights_are_written_as_runs() -> None:
    assert multirange_of([FIRST, FIRST + timedelta(days=1), FIRST + timedelta(days=3)]) == (
        "{[2026-12-01,2026-12-03),[2026-12-04,2026-12-05)}"
    )
    assert multirange_of([]) == "{}"


# ------------------------------------------------------------------------------------------------------------- capacity


@pytest.fixture
def town(engine: Engine) -> Iterator[RoundTown]:
    with engine.connect() as connection:
        yield make_round_town(connection)


def bays(town: RoundTown, code: str) -> dict[int, int]:
    rows = town.connection.execute(
        text(
            "SELECT night, bays FROM ledger_nights l JOIN bay_groups g ON g.id = l.bay_group_id "
            "JOIN facilities f ON f.id = g.facility_id WHERE f.code || '/' || g.code = :code"
        ),
        {"code": code},
    )
    return {row.night.day: row.bays for row in rows}


def test_a_night_has_the_bays_that_are_open_at_two_in_the_morning_after_it(engine: Engine) -> None:
    garage = Facility(
        id="g",
        name="G",
        kind="other",
        geometry=small_garage("x", 1).geometry,
        bay_groups=(
            # Workday evenings have five bays until midnight and three after; rest days four.
            BayGroup("std", ("standard",), (
                Window("workdays", 18 * 60, 24 * 60, 5), Window("workdays", 18 * 60, 32 * 60, 3),
                Window("rest_days", 0, 48 * 60, 4),
            )),
            BayGroup("ev", ("ev",), (Window("daily", 18 * 60, 32 * 60, 2),)),
        ),
        buffer_bays=3,
        closures=(Closure(_ON_THE_10TH.replace(hour=1), _ON_THE_10TH.replace(hour=3)),),
    )  # fmt: skip
    with engine.connect() as connection:
        town = make_round_town(connection, garage)
        standard, electric = bays(town, "g/std"), bays(town, "g/ev")
    # The buffer of three takes all of a workday night's three bays and none of the other group's.
    assert (standard[1], electric[1]) == (0, 2)
    # Saturday 5 December: four bays, less three. Sunday's last to 48:00, Monday morning included.
    assert (standard[5], standard[6], electric[6]) == (1, 1, 2)
    # Closed from 01:00 to 03:00 on the 10th: the night of the 9th.
    assert (electric[9], electric[10]) == (0, 2)


def test_filling_again_keeps_what_is_taken_and_follows_what_changed(town: RoundTown) -> None:
    take_nights(town.connection, {town.groups["a"]: {FIRST: 1}})
    town.connection.execute(text("UPDATE share_windows SET bays = 2"))
    fill_ledger(town.connection, list(town.facilities.values()), first=FIRST, last=LAST)
    assert set(bays(town, "a/std").values()) == {2}
    assert town.taken()[FIRST] == 1


def test_a_night_with_fewer_bays_than_are_promised_is_refused_and_nothing_is_written(town: RoundTown) -> None:
    take_nights(town.connection, {town.groups["a"]: {FIRST: 1}})
    town.connection.execute(text("UPDATE facilities SET status = 'withdrawn'"))
    with pytest.raises(LedgerShort) as short:
        fill_ledger(town.connection, list(town.facilities.values()), first=FIRST, last=LAST)
    assert short.value.nights == ((town.groups["a"], FIRST, 0, 1),)
    assert set(bays(town, "a/std").values()) == {1}
    release_nights(town.connection, {town.groups["a"]: {FIRST: 1}})
    fill_ledger(town.connection, list(town.facilities.values()), first=FIRST, last=LAST)
    assert set(bays(town, "a/std").values()) == {0}


@pytest.mark.parametrize("night", [FIRST, LAST + timedelta(days=1)])
def test_a_full_night_and_one_that_is_not_in_the_ledger_cannot_be_taken(town: RoundTown, night: date) -> None:
    take_nights(town.connection, {town.groups["a"]: {FIRST: 1}})
    with pytest.raises(LedgerFull) as full:
        take_nights(town.connection, {town.groups["a"]: {LAST: 1, night: 1}})
    assert (full.value.bay_group_id, full.value.night) == (town.groups["a"], night)
    assert town.taken()[LAST] == 0


def test_what_a_permit_takes_is_written_on_it(town: RoundTown) -> None:
    left_out = (date(2026, 12, 9), date(2026, 12, 10))
    make_offers(town.connection, [town.wanted(town.apply(), days_left_out=left_out)], source="plan", now=NOW)
    taken = town.taken()
    assert sum(taken.values()) == NIGHTS - 2
    assert not any(taken[night] for night in left_out)
    written = town.count(
        "SELECT count(*) FROM ledger_nights l JOIN permits p ON p.bay_group_id = l.bay_group_id AND p.nights @> l.night"
    )
    assert written == NIGHTS - 2
