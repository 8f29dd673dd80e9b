"""Notices: each household reads what it is told of its stays, once, and nobody else does."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from api.accounts.opening import open_as
from api.accounts.principal import Principal
from api.app import create_app
from api.jobs.service import forget, remind_to_leave
from tests.api.accounts import make_resident, settings_of_tests, signed_in
from tests.api.booking_town import Town, make_town

HERE = "http://127.0.0.1"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def town(engine: Engine) -> Town:
    with engine.begin() as connection:
        return make_town(connection, bays=4)


@pytest.fixture
def public(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), engine), base_url=HERE) as client:
        yield client


def add_stay(
    engine: Engine,
    town: Town,
    household: int,
    *,
    begins: timedelta,
    ends: timedelta,
    bay: int = 1,
    state: str = "confirmed",
) -> int:
    """Store a stay from and to so long from now."""
    now = datetime.now(UTC)
    with engine.begin() as connection:
        return int(
            connection.execute(
                text(
                    "INSERT INTO stays (bay_id, household_id, during, kind, state, expires_at) "
                    "SELECT id, :household, tstzrange(:start, :end), 'booking', :state, :expires FROM bays "
                    "WHERE bay_group_id = :group AND number = :bay RETURNING id"
                ),
                {
                    "household": household,
                    "start": now + begins,
                    "end": now + ends,
                    "state": state,
                    "expires": now + 5 * MINUTE if state == "held" else None,
                    "group": town.near_group,
                    "bay": bay,
                },
            ).scalar_one()
        )


def told(engine: Engine) -> list[int]:
    """List the stays whose households were told to leave."""
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT stay_id FROM notices WHERE kind = 'leave_soon' ORDER BY stay_id")))


def test_a_household_is_reminded_once_when_its_booking_ends_within_the_hour(engine: Engine, town: Town) -> None:
    soon, later = (make_resident(engine, town.home, name).household_id for name in ("soon", "later"))
    stay = add_stay(engine, town, soon, begins=-600 * MINUTE, ends=59 * MINUTE)
    add_stay(engine, town, later, begins=-600 * MINUTE, ends=61 * MINUTE, bay=2)
    assert remind_to_leave(engine) == {"notices": 1}
    assert told(engine) == [stay]
    assert remind_to_leave(engine) == {"notices": 0}
    assert told(engine) == [stay]


@pytest.mark.parametrize(
    ("begins", "ends", "state"),
    [
        (-90 * MINUTE, -1 * MINUTE, "confirmed"),  # gone
        (5 * MINUTE, 40 * MINUTE, "confirmed"),  # not there yet
        (-90 * MINUTE, 40 * MINUTE, "held"),
        (-90 * MINUTE, 40 * MINUTE, "given_back"),
        (-90 * MINUTE, 40 * MINUTE, "cancelled"),
    ],
)
def test_nobody_is_told_to_leave_who_is_not_there(
    engine: Engine, town: Town, begins: timedelta, ends: timedelta, state: str
) -> None:
    household = make_resident(engine, town.home).household_id
    add_stay(engine, town, household, begins=begins, ends=ends, state=state)
    assert remind_to_leave(engine) == {"notices": 0}


def test_whoever_has_booked_the_same_bay_on_need_not_leave(engine: Engine, town: Town) -> None:
    household = make_resident(engine, town.home).household_id
    moment = 30 * MINUTE
    add_stay(engine, town, household, begins=-90 * MINUTE, ends=moment)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO stays (bay_id, household_id, during, kind, state) "
                "SELECT bay_id, household_id, tstzrange(upper(during), upper(during) + '1 hour'), kind, state "
                "FROM stays"
            )
        )
    assert remind_to_leave(engine) == {"notices": 0}
    # The twin: another household that comes to this bay is no reason to stay.
    other = make_resident(engine, town.home, "other").household_id
    with engine.begin() as connection:
        connection.execute(text("UPDATE stays SET household_id = :other WHERE lower(during) > now()"), {"other": other})
    assert remind_to_leave(engine) == {"notices": 1}


def reminded(engine: Engine, town: Town, client: TestClient, number: int) -> TestClient:
    """Give a resident who stood on bays at several times and was told to leave each."""
    resident = make_resident(engine, town.home)
    for ago in range(number):
        stay = add_stay(engine, town, resident.household_id, begins=-90 * MINUTE, ends=30 * MINUTE)
        remind_to_leave(engine)
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE stays SET during = tstzrange(now() - :old * interval '1 day', now() - interval '2 hours' "
                    "- :older * interval '1 day') WHERE id = :id"
                ),
                {"old": ago + 1, "older": ago, "id": stay},
            )
    return signed_in(client, resident)


def test_notices_come_in_pages_the_newest_first(engine: Engine, town: Town, public: TestClient) -> None:
    resident = reminded(engine, town, public, 5)
    whole = resident.get("/v1/notices").json()
    assert whole["next"] is None
    ids = [notice["id"] for notice in whole["notices"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 5
    found, cursor = [], None
    for pages in range(1, 4):
        page = resident.get("/v1/notices", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        found += [notice["id"] for notice in page["notices"]]
        cursor = page["next"]
        assert (cursor is None) == (pages == 3)
    assert found == ids


@pytest.mark.parametrize("cursor", ["", "x", "%%%", base64.urlsafe_b64encode(b"runs:7").decode(), "é" * 9])
def test_a_cursor_that_is_none_of_ours_is_refused(engine: Engine, town: Town, public: TestClient, cursor: str) -> None:
    resident = signed_in(public, make_resident(engine, town.home))
    answer = resident.get("/v1/notices", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_notice_says_where_and_when_in_utc_and_local_time(engine: Engine, town: Town, public: TestClient) -> None:
    resident = make_resident(engine, town.home)
    stay = add_stay(engine, town, resident.household_id, begins=-90 * MINUTE, ends=30 * MINUTE)
    remind_to_leave(engine)
    [notice] = signed_in(public, resident).get("/v1/notices").json()["notices"]
    assert (notice["kind"], notice["stay"], notice["facility"], notice["name"]) == (
        "leave_soon",
        stay,
        town.near,
        "near",
    )
    assert (notice["reason"], notice["urgency"], notice["read_at"]) == (None, None, None)
    end, local = datetime.fromisoformat(notice["to"]), datetime.fromisoformat(notice["to_local"])
    assert notice["to"].endswith("Z")
    assert (local - end.replace(tzinfo=None), notice["timezone"]) == (timedelta(hours=8), "Asia/Shanghai")


def test_a_notice_is_read_once(engine: Engine, town: Town, public: TestClient) -> None:
    resident = reminded(engine, town, public, 2)
    newest, oldest = resident.get("/v1/notices").json()["notices"]
    first = resident.post(f"/v1/notices/{newest['id']}/read").json()
    again = resident.post(f"/v1/notices/{newest['id']}/read").json()
    assert first["read_at"] is not None
    assert again == first
    assert [n["read_at"] for n in resident.get("/v1/notices").json()["notices"]] == [
        first["read_at"],
        oldest["read_at"],
    ]


def test_nobody_reads_or_marks_what_another_household_is_told(engine: Engine, town: Town, public: TestClient) -> None:
    theirs = reminded(engine, town, public, 1)
    [notice] = theirs.get("/v1/notices").json()["notices"]
    stranger = signed_in(public, make_resident(engine, town.home, "stranger"))
    assert stranger.get("/v1/notices").json()["notices"] == []
    assert stranger.post(f"/v1/notices/{notice['id']}/read").status_code == 404
    assert theirs.get("/v1/notices").json()["notices"] == [notice]


def acting(connection: Connection, *, household: int | None, roles: frozenset[str] = frozenset()) -> Connection:
    open_as(connection, Principal(1, household, roles, frozenset(), "bearer_token"))
    return connection


def test_the_database_itself_shows_notices_to_their_household_only(engine: Engine, town: Town) -> None:
    resident = make_resident(engine, town.home)
    add_stay(engine, town, resident.household_id, begins=-90 * MINUTE, ends=30 * MINUTE)
    remind_to_leave(engine)
    everything = text("SELECT count(*) FROM notices")
    for household, roles, seen in (
        (resident.household_id, frozenset[str](), 1),
        (resident.household_id + 1, frozenset[str](), 0),
        (None, frozenset({"planner"}), 0),
        (None, frozenset({"owner"}), 0),
    ):
        with engine.connect() as connection:
            assert acting(connection, household=household, roles=roles).scalar(everything) == seen
    with engine.connect() as connection:
        mark = text("UPDATE notices SET read_at = now()")
        assert acting(connection, household=resident.household_id + 1).execute(mark).rowcount == 0
        assert acting(connection, household=resident.household_id).execute(mark).rowcount == 1


def test_nobody_tells_a_household_what_did_not_happen(engine: Engine, town: Town) -> None:
    resident = make_resident(engine, town.home)
    stay = add_stay(engine, town, resident.household_id, begins=-90 * MINUTE, ends=30 * MINUTE)
    with engine.connect() as connection, pytest.raises(DBAPIError, match="row-level security"):
        acting(connection, household=resident.household_id).execute(
            text(
                "INSERT INTO notices (household_id, kind, stay_id, facts) "
                "VALUES (:household, 'leave_soon', :stay, '{}')"
            ),
            {"household": resident.household_id, "stay": stay},
        )


def test_notices_are_forgotten_after_ninety_days(engine: Engine, town: Town, public: TestClient) -> None:
    resident = reminded(engine, town, public, 2)
    newest, oldest = (notice["id"] for notice in resident.get("/v1/notices").json()["notices"])
    with engine.begin() as connection:
        age = text("UPDATE notices SET created_at = now() - :days * interval '1 day' WHERE id = :id")
        connection.execute(age, [{"days": 89, "id": newest}, {"days": 91, "id": oldest}])
    assert forget(engine, now=datetime.now(UTC) - timedelta(days=2))["notices"] == 0
    assert forget(engine)["notices"] == 1
    assert [notice["id"] for notice in resident.get("/v1/notices").json()["notices"]] == [newest]
    assert forget(engine, now=datetime.now(UTC) + timedelta(days=2))["notices"] == 1
