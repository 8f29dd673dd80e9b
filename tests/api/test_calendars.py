"""A notice lands: openings, nights and the ledger follow the calendar; those affected learn why, and only they."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, text

from api.calendars.errors import ImpossibleNotice, UnusableDays
from api.calendars.landing import Landing, Notice, confirm_notice, land_notice, preview_notice
from api.calendars.queries import calendar_overrides, list_notices
from api.calendars.reading import read_days
from api.calendars.service import days_of, provisional_dates, seed
from api.calendars.years import Day, official_year
from api.gates.allow_list import refresh_allow_list
from api.neighbourhoods.loading import load_neighbourhood
from api.neighbourhoods.model import Policy, Window
from api.openings.leaving import soonest_to_leave
from api.openings.service import materialise
from api.openings.ticks import utc_moment
from api.permits.ledger import fill_ledger
from tests.api.test_openings import EVENING, at, garage, open_bays, store

WORKNIGHTS = Window("workdays", 18 * 60, 32 * 60, 2)
REST_DAYS = Window("rest_days", 0, 32 * 60, 2)
"""Two bays from six to eight the morning after, and the whole of rest days."""
FRIDAY, SATURDAY, SUNDAY = date(2026, 12, 4), date(2026, 12, 5), date(2026, 12, 6)
MAKE_UP = (Day(SATURDAY, "workday", "元旦调休"),)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def here(connection: Connection) -> int:
    """A garage in Shanghai; it is Tuesday night, half past eleven, and the town is open since the afternoon."""
    found = store(connection, garage(WORKNIGHTS, REST_DAYS))
    materialise(connection, neighbourhood_id=found, now=EVENING - timedelta(hours=8))
    return found


def add_household(connection: Connection) -> tuple[int, int]:
    """Add a household with a car; return their ids."""
    row = connection.execute(
        text(
            """
            WITH home AS (
                INSERT INTO homes (neighbourhood_id, code, position, geometry)
                SELECT id, gen_random_uuid()::text, 0, 'SRID=4326;POINT(121.5 31.2)' FROM neighbourhoods RETURNING id
            ), household AS (INSERT INTO households (home_id) SELECT id FROM home RETURNING id)
            INSERT INTO vehicles (household_id, plate_hash, plate_sealed)
            SELECT id, decode(md5(CAST(id AS text)), 'hex'), '' FROM household RETURNING household_id, id
            """
        )
    ).one()
    return int(row[0]), int(row[1])


def add_permit(connection: Connection, days: str = "workdays", *, through: bool = False, **own: object) -> int:
    """Add a permit of a household of its own, from 19:00 to 07:00 until the end of the year."""
    household, vehicle = add_household(connection)
    values = {
        "household": household,
        "vehicle": vehicle,
        "days": days,
        "through": through,
        "first": date(2026, 12, 1),
        "past": date(2027, 1, 1),
        "arrive": 19 * 60,
        "leave": 31 * 60,
        "nights": None,
        **own,
    }
    query = text(
        "INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min, stay_through, "
        "nights) SELECT :household, :vehicle, id, daterange(:first, :past), :days, :arrive, :leave, :through, "
        "CAST(:nights AS datemultirange) FROM bay_groups RETURNING id"
    )
    return int(connection.execute(query, values).scalar_one())


def book(connection: Connection, number: int, start: datetime, end: datetime) -> int:
    """Let a household of its own book a bay."""
    household, _ = add_household(connection)
    query = text(
        "INSERT INTO stays (bay_id, household_id, during, kind, state) "
        "SELECT id, :household, tstzrange(:start, :end), 'booking', 'confirmed' FROM bays "
        "WHERE number = :n RETURNING id"
    )
    values = {"household": household, "start": start, "end": end, "n": number}
    return int(connection.execute(query, values).scalar_one())


def pay(connection: Connection, stay: int, *, cents: int) -> None:
    """Let a booking have a price."""
    connection.execute(
        text(
            "WITH account AS (INSERT INTO accounts (issuer, subject) VALUES ('test', 'a') RETURNING id) "
            "INSERT INTO bookings (stay_id, household_id, vehicle_id, booked_by, price_cents) "
            "SELECT s.id, s.household_id, v.id, account.id, :cents FROM account, stays s "
            "JOIN vehicles v ON v.household_id = s.household_id WHERE s.id = :stay"
        ),
        {"stay": stay, "cents": cents},
    )


def num_open(connection: Connection, start: datetime, end: datetime) -> int:
    """Count the openings at a time."""
    query = text("SELECT count(*) FROM openings WHERE during && tstzrange(:start, :end)")
    return int(connection.execute(query, {"start": max(start, at("05T00:00")), "end": end}).scalar_one())


def land(connection: Connection, here: int, *days: Day, now: datetime = EVENING, **own: object) -> Landing:
    """Land a notice of the neighbourhood for 2026."""
    wanted: dict[str, Any] = {"neighbourhood_id": here, "year": 2026, "source": "国办发明电〔2026〕1号", **own}
    return land_notice(connection, days=days, account_id=None, now=now, **wanted)


def nights_of(connection: Connection, permit: int) -> dict[date, tuple[datetime, datetime]]:
    rows = connection.execute(
        text(
            "SELECT night, lower(during) AS a, upper(during) AS b FROM stays "
            "WHERE permit_id = :permit AND state = 'confirmed'"
        ),
        {"permit": permit},
    )
    return {row.night: (row.a.astimezone(UTC), row.b.astimezone(UTC)) for row in rows}


def notices(connection: Connection) -> list[tuple[str, dict[str, Any]]]:
    return [tuple(row) for row in connection.execute(text("SELECT kind, facts FROM notices ORDER BY id"))]


def everything(connection: Connection) -> dict[str, list[str]]:
    tables = (
        "stays",
        "openings",
        "permits",
        "ledger_nights",
        "notices",
        "calendar_days",
        "calendar_years",
        "country_days",
    )
    return {t: sorted(map(str, connection.execute(text(f"SELECT * FROM {t}")))) for t in tables}


# ------------------------------------------------------------------------------------------------------- make-up days


def test_a_make_up_workday_closes_the_bay_in_its_morning(connection: Connection, here: int) -> None:
    """Friday's opening ran to Monday 08:00; now it shuts on Saturday at 08:00 and opens again at 18:00."""
    assert (1, 2, at("04T10:00"), at("07T00:00")) in open_bays(connection)
    land(connection, here, *MAKE_UP)
    found = open_bays(connection)
    assert (1, 2, at("04T10:00"), at("05T00:00")) in found
    assert (1, 2, at("05T10:00"), at("07T00:00")) in found


def test_a_stay_through_the_weekend_ends_on_saturday_morning_and_saturday_night_is_a_night(
    connection: Connection, here: int
) -> None:
    permit = add_permit(connection, through=True)
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    before = nights_of(connection, permit)
    assert before[FRIDAY] == (at("04T11:00"), at("06T23:00"))
    assert SATURDAY not in before
    [bay] = connection.scalars(text("SELECT DISTINCT bay_id FROM stays"))
    land(connection, here, *MAKE_UP)
    after = nights_of(connection, permit)
    assert after[FRIDAY] == (at("04T11:00"), at("04T23:00"))
    assert after[SATURDAY] == (at("05T11:00"), at("06T23:00"))
    assert set(after) - set(before) == {SATURDAY}
    assert list(connection.scalars(text("SELECT DISTINCT bay_id FROM stays"))) == [bay]


def test_the_holder_is_told_once_what_changes_and_when(connection: Connection, here: int) -> None:
    permit = add_permit(connection, through=True)
    unaffected = add_permit(connection, "mon tue wed thu")
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    landing = land(connection, here, *MAKE_UP)
    [(kind, facts)] = notices(connection)
    assert (kind, facts["permit"]) == ("permit_changed", permit)
    assert permit != unaffected
    assert facts["nights_added"] == ["2026-12-05"]
    assert facts["leave_by"] == [{"night": "2026-12-04", "to": "2026-12-05T07:00:00+08:00"}]
    assert (facts["next_date"], facts["reason"]) == ("2026-12-04", "国办发明电〔2026〕1号")
    assert facts["calendar_notice"] == landing.notice_id
    assert (landing.hits.permits, landing.hits.households, landing.hits.bookings) == (1, 1, 0)


def test_a_holiday_lets_a_stay_run_on_and_its_own_night_goes(connection: Connection, here: int) -> None:
    """Thursday the 10th becomes a rest day: Wednesday's stay runs to Friday morning, Thursday has no night."""
    permit = add_permit(connection, through=True)
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    land(connection, here, Day(date(2026, 12, 10), "rest_day"))
    after = nights_of(connection, permit)
    assert after[date(2026, 12, 9)] == (at("09T11:00"), at("10T23:00"))
    assert date(2026, 12, 10) not in after


def test_a_booking_over_the_make_up_day_is_cancelled_with_a_notice_and_others_are_left_alone(
    connection: Connection, here: int
) -> None:
    hit = book(connection, 1, at("04T11:00"), at("06T02:00"))
    spared = book(connection, 2, at("03T11:00"), at("03T23:00"))
    landing = land(connection, here, *MAKE_UP)
    states = {row.id: row.state for row in connection.execute(text("SELECT id, state FROM stays"))}
    assert states == {hit: "cancelled", spared: "confirmed"}
    [(kind, facts)] = notices(connection)
    assert (kind, facts["what"], facts["alternatives"]) == ("calendar_changed", "cancelled", [])
    assert facts["next_date"].startswith("2026-12-04T11:00")
    assert (landing.hits.bookings, landing.hits.stays, landing.hits.permits) == (1, 1, 0)


def test_whoever_stands_there_leaves_that_morning_instead_of_being_thrown_out(
    connection: Connection, here: int
) -> None:
    """Friday 21:00 local, a booking until Sunday under way: it ends on Saturday at 08:00, when the bay shuts."""
    stay = book(connection, 1, at("04T11:00"), at("06T02:00"))
    land(connection, here, *MAKE_UP, now=at("04T13:00"))
    row = connection.execute(text("SELECT state, upper(during) AS until FROM stays WHERE id = :id"), {"id": stay}).one()
    assert (row.state, row.until.astimezone(UTC)) == ("confirmed", at("05T00:00"))
    [(kind, facts)] = notices(connection)
    assert (kind, facts["what"]) == ("calendar_changed", "ends_earlier")


def test_a_permits_stay_under_way_moves_its_leave_by_either_way(connection: Connection, here: int) -> None:
    permit = add_permit(connection, through=True)
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    land(connection, here, *MAKE_UP, now=at("04T13:00"))
    assert nights_of(connection, permit)[FRIDAY] == (at("04T11:00"), at("04T23:00"))
    land(connection, here, now=at("04T14:00"))
    assert nights_of(connection, permit)[FRIDAY] == (at("04T11:00"), at("06T23:00"))
    assert SATURDAY not in nights_of(connection, permit)


@pytest.mark.parametrize(
    ("lands", "until"),
    [
        ("04T23:55", "05T01:55"),  # Saturday 07:55: the bay shuts five minutes later
        ("05T02:00", "05T04:00"),  # 10:00: it should have shut two hours ago
    ],
)
def test_whoever_stands_there_when_the_bay_should_have_shut_has_time_to_leave_and_gets_the_rest_back(
    connection: Connection, here: int, lands: str, until: str
) -> None:
    """From Friday 19:00 to Sunday 10:00, 39 hours for 39.00: what is left after the two hours to leave is lost."""
    stay = book(connection, 1, at("04T11:00"), at("06T02:00"))
    pay(connection, stay, cents=3900)
    now = at(lands)
    landing = land(connection, here, *MAKE_UP, now=now)
    row = connection.execute(
        text("SELECT s.state, upper(s.during) AS until, b.lost_cents FROM stays s JOIN bookings b ON b.stay_id = s.id")
    ).one()
    assert (row.state, row.until.astimezone(UTC)) == ("confirmed", at(until))
    [(kind, facts)] = notices(connection)
    assert (kind, facts["what"], facts["alternatives"]) == ("calendar_changed", "ends_earlier", [])
    assert (datetime.fromisoformat(facts["next_date"]), facts["refund_cents"]) == (at(until), row.lost_cents)
    assert row.lost_cents == -(-3900 * (at("06T02:00") - at(until)) // timedelta(hours=39))
    assert (landing.hits.bookings, landing.hits.households) == (1, 1)
    facility = connection.execute(text("SELECT id FROM facilities")).scalar_one()
    version = refresh_allow_list(connection, facility, now=now)
    [allowed] = connection.execute(
        text("SELECT ends_at FROM allow_list_rows WHERE added_version <= :v"), {"v": version}
    )
    assert allowed.ends_at.astimezone(UTC) == at(until), "the plate is on the list as long"
    assert num_open(connection, now, at(until)) == 0, "and nobody else can have the bay meanwhile"


def test_a_notice_shown_a_minute_ago_is_confirmed_though_whoever_stands_there_leaves_a_minute_later(
    connection: Connection, here: int
) -> None:
    add_permit(connection, through=True)
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    pay(connection, book(connection, 2, at("04T11:00"), at("06T02:00")), cents=3900)
    notice = Notice(2026, MAKE_UP, "源", neighbourhood_id=here)
    shown = preview_notice(connection, notice, account_id=None, now=at("05T02:00"))
    made = confirm_notice(connection, notice, token=shown.token, account_id=None, now=at("05T02:01"))
    assert made.notice_id is not None


def test_whoever_leaves_within_two_hours_anyway_is_not_hit(connection: Connection, here: int) -> None:
    stay = book(connection, 1, at("04T11:00"), at("05T03:30"))
    land(connection, here, *MAKE_UP, now=at("05T02:00"))
    row = connection.execute(text("SELECT state, upper(during) AS until FROM stays WHERE id = :id"), {"id": stay}).one()
    assert (row.state, row.until.astimezone(UTC)) == ("confirmed", at("05T03:30"))
    assert notices(connection) == []


def test_nobody_has_to_leave_in_hours_without_movement(engine: Engine) -> None:
    """No car moves from 11:00 to 14:00: a notice that lands on Saturday at 10:00 leaves time until two."""
    with engine.connect() as connection:
        here = store(connection, garage(WORKNIGHTS, REST_DAYS, no_movement=(11 * 60, 14 * 60)))
        materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=8))
        stay = book(connection, 1, at("04T11:00"), at("06T02:00"))
        land(connection, here, *MAKE_UP, now=at("05T02:00"))
        until = connection.scalar(text("SELECT upper(during) FROM stays WHERE id = :id"), {"id": stay})
        assert until.astimezone(UTC) == at("05T06:00")


@pytest.mark.parametrize(
    ("told", "leaves"), [("09:59", "11:59"), ("20:00", "22:00"), ("20:01", "07:00"), ("02:30", "07:00")]
)
def test_whoever_hears_of_it_in_the_night_leaves_in_the_morning(told: str, leaves: str) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    now = datetime.fromisoformat(f"2026-12-05T{told}").replace(tzinfo=zone)
    assert f"{soonest_to_leave(now, zone):%H:%M}" == leaves


def test_a_holder_whose_car_stands_there_is_told_once_when_to_leave_and_of_no_date_that_is_over(
    connection: Connection, here: int
) -> None:
    """From Friday to Monday as it was; on Saturday at 10:00 the make-up day lands: out by 12:00, back at 19:00."""
    permit = add_permit(connection, through=True)
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    landing = land(connection, here, *MAKE_UP, now=at("05T02:00"))
    nights = nights_of(connection, permit)
    assert nights[FRIDAY] == (at("04T11:00"), at("05T04:00"))
    assert nights[SATURDAY] == (at("05T11:00"), at("06T23:00"))
    [(kind, facts)] = notices(connection)
    assert (kind, facts["permit"], facts["next_date"]) == ("permit_changed", permit, "2026-12-05")
    assert facts["leave_by"] == [{"night": "2026-12-04", "to": "2026-12-05T12:00:00+08:00"}]
    assert (facts["nights_added"], facts["nights_removed"]) == (["2026-12-05"], [])
    assert (landing.hits.permits, landing.hits.households) == (1, 1)


def test_a_night_that_comes_where_every_bay_is_booked_is_told_as_such(connection: Connection, here: int) -> None:
    permit = add_permit(connection)
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    for number in (1, 2):
        book(connection, number, at("05T12:00"), at("06T12:00"))
    land(connection, here, *MAKE_UP)
    told = dict(notices(connection))
    assert told["permit_changed"]["without_bay"] == ["2026-12-05"]
    assert SATURDAY not in nights_of(connection, permit)
    assert "calendar_changed" not in told, "nobody's booking is taken for it"


def test_who_is_away_is_told_of_no_night(connection: Connection, here: int) -> None:
    permit = add_permit(connection)
    connection.execute(
        text("INSERT INTO permit_absences (permit_id, nights) VALUES (:p, '[2026-12-03,2026-12-08)')"), {"p": permit}
    )
    land(connection, here, *MAKE_UP)
    assert notices(connection) == []
    assert SATURDAY not in nights_of(connection, permit)


# ---------------------------------------------------------------------------------------------- preview, token, undo


def test_a_preview_changes_nothing_and_its_token_confirms_exactly_that(connection: Connection, here: int) -> None:
    add_permit(connection, through=True)
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    wanted = Notice(2026, MAKE_UP, "a notice", neighbourhood_id=here)
    before = everything(connection)
    shown = preview_notice(connection, wanted, account_id=None, now=EVENING)
    assert (shown.permits, shown.households, shown.changed_days) == (1, 1, 1)
    assert everything(connection) == before
    late = book(connection, 2, at("04T11:00"), at("06T02:00"))
    refused = confirm_notice(connection, wanted, token=shown.token, account_id=None, now=EVENING)
    assert refused.notice_id is None
    assert refused.hits.bookings == 1
    assert notices(connection) == []
    made = confirm_notice(connection, wanted, token=refused.hits.token, account_id=7, now=EVENING)
    assert made.notice_id is not None
    assert late in {row.id for row in connection.execute(text("SELECT id FROM stays WHERE state = 'cancelled'"))}
    [kept] = list_notices(connection, here)
    assert (kept.stays, kept.permits, kept.households, kept.landed_by) == (2, 1, 2, 7)


def test_landing_the_days_from_before_undoes_a_notice(connection: Connection, here: int) -> None:
    permit = add_permit(connection, through=True)
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    was = nights_of(connection, permit), open_bays(connection)
    land(connection, here, *MAKE_UP)
    [notice] = list_notices(connection, here)
    assert notice.before == {"decided": True, "days": []}
    assert notice.days[0]["holiday"] == "元旦调休"
    land(
        connection, here, *(Day(date.fromisoformat(d["date"]), d["kind"], d["holiday"]) for d in notice.before["days"])
    )
    assert (nights_of(connection, permit), open_bays(connection)) == was
    assert len(list_notices(connection, here)) == 2


def test_landing_the_same_twice_hits_nobody_the_second_time(connection: Connection, here: int) -> None:
    add_permit(connection, through=True)
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    land(connection, here, *MAKE_UP)
    told = len(notices(connection))
    again = land(connection, here, *MAKE_UP)
    assert (again.hits.households, again.hits.changed_days, len(notices(connection))) == (0, 0, told)


# -------------------------------------------------------------------------------------------------------- the ledger


def ledger(connection: Connection) -> dict[date, tuple[int, int]]:
    return {row.night: (row.bays, row.taken) for row in connection.execute(text("SELECT * FROM ledger_nights"))}


def fill(connection: Connection, first: date, last: date) -> None:
    fill_ledger(connection, list(connection.scalars(text("SELECT id FROM facilities"))), first=first, last=last)


def test_the_ledger_of_a_permit_far_beyond_the_horizon_follows(connection: Connection, here: int) -> None:
    """Friday the 25th becomes a rest day: a permit of workdays gives that night back."""
    fill(connection, date(2026, 12, 20), date(2026, 12, 31))
    first, nights = date(2026, 12, 20), "{[2026-12-21,2026-12-26),[2026-12-28,2027-01-01)}"
    permit = add_permit(connection, nights=nights, first=first)
    connection.execute(
        text("UPDATE ledger_nights SET taken = 1 WHERE night NOT IN ('2026-12-20', '2026-12-26', '2026-12-27')")
    )
    landing = land(connection, here, Day(date(2026, 12, 25), "rest_day", "圣诞"), Day(date(2026, 12, 26), "workday"))
    assert landing.hits.stays == 0
    found = ledger(connection)
    assert (found[date(2026, 12, 25)], found[date(2026, 12, 26)], found[date(2026, 12, 28)]) == ((2, 0), (2, 1), (2, 1))
    nights = connection.scalar(text("SELECT nights::text FROM permits WHERE id = :id"), {"id": permit})
    assert nights == "{[2026-12-21,2026-12-25),[2026-12-26,2026-12-27),[2026-12-28,2027-01-01)}"
    [(kind, facts)] = notices(connection)
    assert (kind, facts["nights_removed"], facts["nights_added"]) == ("permit_changed", ["2026-12-25"], ["2026-12-26"])


def test_a_night_that_comes_to_a_full_ledger_is_left_out_and_told_to_nobody_as_theirs(
    connection: Connection, here: int
) -> None:
    """Three permits of workdays want Saturday the 26th, where two bays are: the last stays without."""
    fill(connection, date(2026, 12, 20), date(2026, 12, 31))
    permits = [add_permit(connection, nights="{}", first=date(2026, 12, 26), past=date(2026, 12, 27)) for _ in range(3)]
    land(connection, here, Day(date(2026, 12, 26), "workday"))
    rows = connection.execute(text("SELECT id, nights::text AS nights, days_left_out FROM permits ORDER BY id")).all()
    assert [row.nights for row in rows] == ["{[2026-12-26,2026-12-27)}"] * 2 + ["{}"]
    assert [row.days_left_out for row in rows] == [[], [], [date(2026, 12, 26)]]
    assert ledger(connection)[date(2026, 12, 26)] == (2, 2)
    assert [facts["permit"] for _, facts in notices(connection)] == permits[:2]


def test_where_rest_days_have_fewer_bays_the_last_gives_the_night_up(engine: Engine) -> None:
    with engine.connect() as connection:
        here = store(connection, garage(WORKNIGHTS, Window("rest_days", 0, 32 * 60, 1)))
        materialise(connection, neighbourhood_id=here, now=EVENING)
        fill(connection, date(2026, 12, 20), date(2026, 12, 31))
        night = "{[2026-12-23,2026-12-24)}"
        for _ in range(2):
            add_permit(connection, "daily", nights=night, first=date(2026, 12, 23), past=date(2026, 12, 24))
        connection.execute(text("UPDATE ledger_nights SET taken = 2 WHERE night = '2026-12-23'"))
        # Bays at two in the morning of the 24th: of the 23rd's window two, of the 24th's own from midnight one.
        land(connection, here, Day(date(2026, 12, 23), "rest_day"))
        rows = connection.execute(text("SELECT nights::text AS nights, days_left_out FROM permits ORDER BY id")).all()
        assert [(row.nights, row.days_left_out) for row in rows] == [(night, []), ("{}", [date(2026, 12, 23)])]
        assert ledger(connection)[date(2026, 12, 23)] == (1, 1)
        [(_, facts)] = notices(connection)
        assert facts["nights_removed"] == ["2026-12-23"]


def test_a_day_on_which_the_garage_is_shut_is_left_out_and_comes_back_with_the_undoing(engine: Engine) -> None:
    """Bays on workdays only; a permit of Wednesdays cannot have a Wednesday that becomes a rest day."""
    with engine.connect() as connection:
        here = store(connection, garage(WORKNIGHTS))
        materialise(connection, neighbourhood_id=here, now=EVENING)
        fill(connection, date(2026, 12, 20), date(2026, 12, 31))
        nights = "{[2026-12-23,2026-12-24),[2026-12-30,2026-12-31)}"
        add_permit(connection, "wed", nights=nights, first=date(2026, 12, 20))
        connection.execute(text("UPDATE ledger_nights SET taken = 1 WHERE night IN ('2026-12-23', '2026-12-30')"))
        for days, wanted, left_out, taken in (
            ((Day(date(2026, 12, 23), "rest_day"),), "{[2026-12-30,2026-12-31)}", [date(2026, 12, 23)], (0, 0)),
            ((), nights, [], (2, 1)),
        ):
            land(connection, here, *days)
            row = connection.execute(text("SELECT nights::text AS nights, days_left_out FROM permits")).one()
            assert (row.nights, row.days_left_out) == (wanted, left_out)
            assert ledger(connection)[date(2026, 12, 23)] == taken
        assert [facts["nights_removed"] for _, facts in notices(connection)] == [["2026-12-23"], []]


# ------------------------------------------------------------------------------------------------ countries and years


def test_a_year_nobody_has_decided_is_provisional_until_its_notice_lands(connection: Connection, here: int) -> None:
    span = {"first": date(2026, 12, 30), "last": date(2027, 1, 3)}
    assert provisional_dates(connection, here, **span) == [date(2027, 1, day) for day in (1, 2, 3)]
    land(connection, here, Day(date(2027, 1, 1), "rest_day", "元旦"), year=2027, country="cn", neighbourhood_id=None)
    assert provisional_dates(connection, here, **span) == []
    shown = {day.date: day for day in days_of(connection, here, **span)}
    assert (shown[date(2027, 1, 1)].kind, shown[date(2027, 1, 1)].holiday) == ("rest_day", "元旦")
    assert shown[date(2027, 1, 1)].source == "国办发明电〔2026〕1号"
    assert (shown[date(2027, 1, 2)].kind, shown[date(2026, 12, 31)].kind) == ("rest_day", "workday")
    assert not any(day.provisional for day in shown.values())


def test_a_decided_year_has_exactly_the_days_of_its_notice(connection: Connection, here: int) -> None:
    """The estimate has Spring Festival on 8 February 2027, a Monday; a notice that does not is followed."""
    days = Day(date(2027, 1, 1), "rest_day", "元旦"), Day(date(2027, 2, 20), "workday")
    land(connection, here, *days, year=2027, country="CN", neighbourhood_id=None)
    found = calendar_overrides(connection, here)
    assert (found[date(2027, 2, 8)], found[date(2027, 2, 20)], found[date(2027, 2, 21)]) == (
        "workday", "workday", "rest_day",
    )  # fmt: skip
    connection.execute(text("UPDATE neighbourhoods SET policy = :policy"), {"policy": json.dumps(asdict(Policy()))})
    assert load_neighbourhood(connection, "x").calendar_overrides == found


def test_make_up_days_alone_never_take_the_holidays_of_a_year_away(connection: Connection, here: int) -> None:
    """They are a part of a notice, and what a notice says of a year stands for all of it."""
    before = everything(connection)
    with pytest.raises(ImpossibleNotice, match=r"names no holiday.* 2027-01-01 to .* would become workdays"):
        land(connection, here, Day(date(2027, 2, 20), "workday"), year=2027, country="CN", neighbourhood_id=None)
    assert everything(connection) == before
    assert land(connection, here, Day(date(2027, 2, 20), "workday"), year=2027).hits.changed_days == 1


def test_a_neighbourhoods_own_word_goes_before_its_countrys(connection: Connection, here: int) -> None:
    land(connection, here, Day(date(2027, 1, 1), "rest_day"), year=2027, country="CN", neighbourhood_id=None)
    land(connection, here, Day(date(2027, 1, 1), "workday", "集市"), year=2027)
    [day] = days_of(connection, here, first=date(2027, 1, 1), last=date(2027, 1, 1))
    assert (day.kind, day.holiday, day.own, day.provisional) == ("workday", "集市", True, False)


def test_a_notice_of_a_country_reaches_its_neighbourhoods_and_no_other(connection: Connection, here: int) -> None:
    connection.execute(text("UPDATE neighbourhoods SET country = 'FR'"))
    before = open_bays(connection)
    whole = (*MAKE_UP, Day(date(2026, 12, 25), "rest_day"))
    landing = land(connection, here, *whole, country="CN", neighbourhood_id=None)
    assert (landing.hits.changed_days, open_bays(connection)) == (0, before)
    land(connection, here, *whole, country="FR", neighbourhood_id=None)
    assert open_bays(connection) != before


def test_seeding_writes_down_what_the_official_calendars_know_and_changes_nothing(
    connection: Connection, here: int
) -> None:
    before, overrides = open_bays(connection), calendar_overrides(connection, here)
    seeded = seed(connection, country="CN", first=2025, last=2028, account_id=None, now=EVENING)
    assert (seeded.added, seeded.provisional, seeded.to_land) == ((2025, 2026, 2027, 2028), (2027, 2028), ())
    assert (open_bays(connection), calendar_overrides(connection, here)) == (before, overrides)
    shown = {day.date: day for day in days_of(connection, here, first=date(2026, 10, 1), last=date(2026, 10, 10))}
    assert (shown[date(2026, 10, 10)].kind, shown[date(2026, 10, 10)].holiday) == ("workday", "国庆节")
    again = seed(connection, country="CN", first=2025, last=2028, account_id=None, now=EVENING)
    assert (again.added, again.to_land) == ((), ())


def test_a_seeded_year_that_the_official_calendars_have_decided_since_is_named_and_left_alone(
    connection: Connection, here: int
) -> None:
    days = official_year("CN", 2026).days
    land(connection, here, *days, country="CN", neighbourhood_id=None, decided=False)
    assert provisional_dates(connection, here, first=date(2026, 12, 1), last=date(2026, 12, 2))
    assert seed(connection, country="CN", first=2026, last=2026, account_id=None, now=EVENING).to_land == (2026,)


# ------------------------------------------------------------------------------------------------------- bad input


def test_days_are_read_from_csv_and_json() -> None:
    wanted = (Day(date(2027, 2, 6), "rest_day", "春节"), Day(date(2027, 2, 20), "workday"))
    sheet = "date,kind,holiday\n2027-02-20,workday,\n\n2027-02-06,rest_day,春节\n"
    assert read_days(sheet, year=2027) == wanted
    listed = (
        '[{"date": "2027-02-06", "kind": "rest_day", "holiday": "春节"}, {"date": "2027-02-20", "kind": "workday"}]'
    )
    assert read_days(listed, year=2027) == wanted
    assert read_days(f'{{"days": {listed}}}', year=2027) == wanted


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (
            "date,kind\n2027-02-30,workday\n2026-02-01,workday\n2027-02-01,holiday\n2027-02-02,workday\n2027-02-02,rest_day",
            ["2: date", "3: date", "4: kind", "6: date"],
        ),
        ("date,kind\n2027-02-01\n", ["2: row"]),
        ("day,kind\n", ["1: header"]),
        ("", ["1: header"]),
        ('[{"date": "2027-02-01", "kind": "workday", "name": "x"}]', ["1: row"]),
        ('[\n{"date": 1},]', ["2: file"]),
        ("[7]", ["1: row"]),
        ("{}", ["1: file"]),
    ],
)
def test_every_fault_is_named_by_its_line(content: str, faults: list[str]) -> None:
    with pytest.raises(UnusableDays) as raised:
        read_days(content, year=2027, file="f")
    assert [str(fault).removeprefix("f:").rsplit(": ", 1)[0] for fault in raised.value.faults] == faults


@pytest.mark.parametrize(
    "wanted",
    [
        {"year": 1999},
        {"source": " "},
        {"source": "x" * 201},
        {"year": 2027, "days": MAKE_UP},
        {"days": MAKE_UP * 2},
        {"decided": False},
        {"country": "CN"},
        {"country": "XX", "neighbourhood_id": None},
        {"neighbourhood_id": None},
    ],
)
def test_a_notice_that_makes_no_sense_is_refused(wanted: dict[str, Any]) -> None:
    good: dict[str, Any] = {"year": 2026, "days": MAKE_UP, "source": "x", "neighbourhood_id": 1}
    Notice(**good)
    with pytest.raises(ImpossibleNotice):
        Notice(**{**good, "days": (), **wanted})


def test_a_notice_that_fails_half_way_leaves_nothing_behind(
    connection: Connection, here: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_permit(connection, through=True)
    materialise(connection, neighbourhood_id=here, now=EVENING - timedelta(hours=7))
    before = everything(connection)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("api.calendars.landing.tell", fail)
    with pytest.raises(RuntimeError), connection.begin_nested():
        land(connection, here, *MAKE_UP)
    assert everything(connection) == before


def test_minutes_are_what_they_were() -> None:
    """The moments above are Shanghai's: 19:00 there is 11:00 in UTC."""
    assert utc_moment(0) + timedelta(hours=11) == datetime(1970, 1, 1, 11, tzinfo=UTC)
