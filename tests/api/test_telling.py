"""Telling households: whoever acts, in one statement, and nobody the same twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from api.accounts.opening import open_as
from api.accounts.principal import Principal
from api.app import create_app
from api.notices.kinds import KINDS
from api.notices.service import NewNotice, tell
from tests.api.accounts import make_resident, settings_of_tests, signed_in
from tests.api.booking_town import Town, make_town

NOW = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)
OFFER = {"offer": 7, "next_date": "2027-03-04T09:30:00+00:00"}


@pytest.fixture
def town(engine: Engine) -> Town:
    with engine.begin() as connection:
        return make_town(connection)


@pytest.fixture
def public(engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings_of_tests(), engine), base_url="http://127.0.0.1") as client:
        yield client


def tell_as(engine: Engine, roles: frozenset[str], *notices: NewNotice, household: int | None = None) -> int:
    with engine.begin() as connection:
        open_as(connection, Principal(None, household, roles, frozenset(), "anonymous"))
        number = tell(connection, notices, now=NOW)
        assert connection.scalar(text("SELECT current_setting('baytide.roles')")) == ",".join(roles)
    return number


@pytest.mark.parametrize("role", ["planner", "owner", "worker", "committee_worker"])
def test_whoever_acts_may_tell_and_keeps_the_rights_it_had(engine: Engine, town: Town, role: str) -> None:
    household = make_resident(engine, town.home).household_id
    assert tell_as(engine, frozenset({role}), NewNotice(household, "offer_made", OFFER)) == 1
    with engine.connect() as connection:
        row = connection.execute(text("SELECT kind, stay_id, facts, created_at, told_at FROM notices")).one()
    assert row == ("offer_made", None, OFFER, NOW, None)


def test_every_kind_can_be_told_and_no_other(engine: Engine, town: Town) -> None:
    household = make_resident(engine, town.home).household_id
    kinds = [kind for kind in KINDS if kind not in ("leave_soon", "stay_withdrawn")]
    assert tell_as(engine, frozenset(), *(NewNotice(household, kind, {}) for kind in kinds)) == len(kinds)
    with pytest.raises(DBAPIError, match="notices_kind_check"):
        tell_as(engine, frozenset(), NewNotice(household, "gossip", {}))
    with pytest.raises(DBAPIError, match="notices_facts_check"):
        tell_as(engine, frozenset(), NewNotice(household, "leave_soon", {}))


def test_nobody_is_told_the_same_twice_where_it_has_a_name(engine: Engine, town: Town) -> None:
    ours, theirs = (make_resident(engine, town.home, name).household_id for name in ("ours", "theirs"))
    first = NewNotice(ours, "offer_reminder", OFFER, once="offer 7")
    assert tell_as(engine, frozenset(), first, first) == 1
    assert tell_as(engine, frozenset(), first, NewNotice(theirs, "offer_reminder", OFFER, once="offer 7")) == 1
    assert tell_as(engine, frozenset(), NewNotice(ours, "offer_lapsed", OFFER, once="offer 7")) == 1
    # The twin: without a name it is told again.
    again = NewNotice(ours, "date_changed", {})
    assert tell_as(engine, frozenset(), again, again) == 2


def test_telling_nobody_does_nothing(engine: Engine) -> None:
    assert tell_as(engine, frozenset({"planner"})) == 0


def test_a_notice_without_a_stay_is_shown_on_the_clock_of_home(engine: Engine, town: Town, public: TestClient) -> None:
    resident = make_resident(engine, town.home)
    tell_as(engine, frozenset({"planner"}), NewNotice(resident.household_id, "offer_made", OFFER))
    [notice] = signed_in(public, resident).get("/v1/notices").json()["notices"]
    assert (notice["kind"], notice["facts"], notice["timezone"]) == ("offer_made", OFFER, "Asia/Shanghai")
    assert {notice[name] for name in ("stay", "stay_kind", "facility", "name", "from", "to", "reason")} == {None}
    assert notice["created_at"] == "2027-03-01T09:30:00Z"


def test_a_household_can_ask_for_what_it_has_not_read(engine: Engine, town: Town, public: TestClient) -> None:
    resident = make_resident(engine, town.home)
    notices = [NewNotice(resident.household_id, kind, {}) for kind in ("waitlisted", "date_changed")]
    tell_as(engine, frozenset(), *notices)
    client = signed_in(public, resident)
    newest, oldest = client.get("/v1/notices", params={"unread": True}).json()["notices"]
    client.post(f"/v1/notices/{newest['id']}/read")
    assert [n["id"] for n in client.get("/v1/notices", params={"unread": True}).json()["notices"]] == [oldest["id"]]
    assert len(client.get("/v1/notices").json()["notices"]) == 2
