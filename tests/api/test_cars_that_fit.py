"""No place follows a household to a car that does not fit it, and no car comes to a place that it does not fit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from api.offers.service import accept_offer, make_offers
from api.permits.cars import CarDoesNotFit, follow_cars, require_car_fits
from api.permits.service import give_up
from api.waitlist.service import follow, join_waitlist, position_of
from tests.api.round_town import DAY, NOW, RoundTown, make_round_town, small_garage


@pytest.fixture
def town(engine: Engine) -> Iterator[RoundTown]:
    with engine.connect() as connection:
        town = make_round_town(connection, small_garage("a", 1, max_height_m=1.9), small_garage("b", 1))
        yield town


def offered(town: RoundTown, code: str = "a") -> tuple[dict[str, int], int]:
    who = town.apply()
    (offer,) = make_offers(town.connection, [town.wanted(who, code)], source="plan", now=NOW)
    return who, offer


def holder(town: RoundTown, code: str = "a") -> dict[str, int]:
    who, offer = offered(town, code)
    accept_offer(town.connection, offer, household_id=who["household"], account_id=None, now=NOW)
    return who


def another_car(town: RoundTown, who: dict[str, int], *, height_m: float | None = None, needs: str = "") -> int:
    town.connection.execute(
        text("UPDATE vehicles SET withdrawn_at = :now WHERE household_id = :id"), {"id": who["household"], "now": NOW}
    )
    return town.count(
        "INSERT INTO vehicles (household_id, plate_hash, plate_sealed, height_m, needs) "
        "VALUES (:id, 'new', '', :height, :needs) RETURNING id",
        id=who["household"],
        height=height_m,
        needs=needs,
    )


def require(town: RoundTown, who: dict[str, int], *, height_m: float | None = None, needs: str = "") -> None:
    require_car_fits(town.connection, who["household"], height_m=height_m, needs=needs, now=NOW)


@pytest.mark.parametrize("given", [offered, holder], ids=["offer", "permit"])
def test_a_car_too_high_for_a_place_is_refused_with_both_heights_and_the_way_out(
    town: RoundTown, given: object
) -> None:
    if given is offered:
        who, way_out = offered(town)[0], "decline the offer there first"
    else:
        who, way_out = holder(town), "give the permit there up first"
    with pytest.raises(CarDoesNotFit, match=rf"a is for cars up to 1.9 m and this one is 2.1 m high: {way_out}"):
        require(town, who, height_m=2.1)
    for fits in (1.9, None):
        require(town, who, height_m=fits)


def test_a_place_without_a_known_height_takes_any_car(town: RoundTown) -> None:
    require(town, holder(town, "b"), height_m=3.0)


def test_whoever_gave_its_permit_up_registers_any_car(town: RoundTown) -> None:
    who = holder(town)
    give_up(town.connection, town.count("SELECT id FROM permits"), household_id=who["household"], now=NOW)
    require(town, who, height_m=2.1)


def test_a_car_that_needs_what_the_bays_are_not_is_refused(town: RoundTown) -> None:
    who = holder(town)
    with pytest.raises(CarDoesNotFit, match=r"not what this car needs \(ev\)"):
        require(town, who, needs="ev")
    town.connection.execute(text("UPDATE vehicles SET needs = 'ev'"))
    require(town, who, needs="ev")  # what was so when the place was given is no news
    town.connection.execute(text("UPDATE bay_groups SET kinds = '{standard,accessible}'"))
    require(town, who, needs="accessible ev")


def test_a_booking_counts_like_a_permit_until_it_is_over(town: RoundTown) -> None:
    who = town.apply()
    stay = town.count(
        """
        WITH bay AS (SELECT id FROM bays WHERE bay_group_id = :g LIMIT 1),
        account AS (INSERT INTO accounts (issuer, subject) VALUES ('test', 'booker') RETURNING id),
        night AS (
            INSERT INTO stays (bay_id, household_id, kind, state, during)
            SELECT id, :household, 'booking', 'confirmed', tstzrange(:start, :end) FROM bay RETURNING id
        )
        INSERT INTO bookings (stay_id, household_id, vehicle_id, booked_by, walk_m)
        SELECT night.id, :household, :vehicle, account.id, 1 FROM night, account RETURNING stay_id
        """,
        g=town.groups["a"],
        household=who["household"],
        vehicle=who["vehicle"],
        start=NOW + DAY,
        end=NOW + 1.5 * DAY,
    )
    with pytest.raises(CarDoesNotFit, match="cancel the booking there first"):
        require(town, who, height_m=2.1)
    town.connection.execute(text("UPDATE stays SET state = 'cancelled' WHERE id = :id"), {"id": stay})
    require(town, who, height_m=2.1)


@pytest.mark.parametrize("car", [{"height_m": 2.1}, {"needs": "ev"}], ids=str)
def test_a_permit_does_not_follow_a_car_that_a_planner_decided_on_and_that_does_not_fit(
    town: RoundTown, car: dict[str, object]
) -> None:
    who = holder(town)
    another_car(town, who, **car)  # type: ignore[arg-type]
    assert follow_cars(town.connection, now=NOW) == 0
    assert town.count("SELECT vehicle_id FROM permits") == who["vehicle"]


@pytest.mark.parametrize(
    ("car", "why", "mend"),
    [
        (
            {"height_m": 2.1},
            r"up to 1.9 m and this one is 2.1 m high: decline the offer",
            "UPDATE vehicles SET height_m = 1.8",
        ),
        (
            {"needs": "ev"},
            r"not what this car needs \(ev\): decline the offer, or register",
            "UPDATE bay_groups SET kinds = '{standard,ev}'",
        ),
    ],
    ids=["too high", "needs a charger"],
)
def test_an_offer_is_not_accepted_for_a_car_that_came_not_to_fit_meanwhile(
    town: RoundTown, car: dict[str, object], why: str, mend: str
) -> None:
    who, offer = offered(town)
    another_car(town, who, **car)  # type: ignore[arg-type]
    with pytest.raises(CarDoesNotFit, match=why):
        accept_offer(town.connection, offer, household_id=who["household"], account_id=None, now=NOW)
    assert town.state("offers", id=offer) == "pending"
    town.connection.execute(text(mend))
    accept_offer(town.connection, offer, household_id=who["household"], account_id=None, now=NOW)
    assert town.state("offers", id=offer) == "accepted"


def test_whoever_waits_is_not_offered_what_a_new_car_needs_and_a_place_is_not(town: RoundTown) -> None:
    who = town.apply()
    join_waitlist(town.connection, [town.entry(who, ["b"])], now=NOW)
    another_car(town, who, needs="ev")
    follow_cars(town.connection, now=NOW)
    assert follow(town.connection, [town.groups["b"]], now=NOW) == []
    town.connection.execute(text("UPDATE bay_groups SET kinds = '{standard,ev}'"))
    assert len(follow(town.connection, [town.groups["b"]], now=NOW)) == 1


def test_whoever_waits_with_a_lower_car_waits_for_lower_places_too_and_gets_what_is_free(town: RoundTown) -> None:
    who = town.apply()
    holder(town, "b")
    town.connection.execute(text("UPDATE vehicles SET height_m = 2.1 WHERE household_id = :h"), {"h": who["household"]})
    town.connection.execute(text("UPDATE applications SET height_m = 2.1"))
    (entry,) = join_waitlist(town.connection, [town.entry(who, ["b"])], now=NOW)
    town.connection.execute(
        text("INSERT INTO walk_pairs (home_id, facility_id, walk_m) VALUES (:h, :f, 250)"),
        {"h": town.home, "f": town.facilities["a"]},
    )
    follow_cars(town.connection, now=NOW)
    assert [place.name for place in position_of(town.connection, entry)] == ["b"]
    another_car(town, who, height_m=1.6)
    follow_cars(town.connection, now=NOW)
    assert town.state("waitlist_entries", id=entry) == "offered"
    assert set(town.taken("a").values()) == {1}
