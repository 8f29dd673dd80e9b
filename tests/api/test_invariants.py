"""The rules that a season ends with: each of them sees what breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, Engine, text

from api.db.connection import make_engine
from api.simulation.clock import SimulatedClock, let_time_run
from api.simulation.invariants import broken_rules
from tests.api.booking_town import make_household, make_town

PERMIT = """
    INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min, state, nights,
        end_reason)
    SELECT h.id, v.id, g.id, '[2026-01-01,2026-02-01)', 'daily', 1140, 1860, '{state}', {nights}, {reason}
    FROM households h JOIN vehicles v ON v.household_id = h.id, bay_groups g JOIN facilities f ON f.id = g.facility_id
    WHERE f.code = 'near' LIMIT 1
"""
OFFER = """
    INSERT INTO offers (permit_id, household_id, source, state, made_at, delivered_at, expires_at, decided_at)
    SELECT id, household_id, 'plan', '{state}', now(), now(), now() + interval '{hours} hours', {decided} FROM permits
"""
TOLD = """
    INSERT INTO notices (household_id, kind, facts)
    SELECT household_id, 'offer_made', jsonb_build_object('offer', id) FROM offers
"""
NIGHTS = "'{[2026-01-05,2026-01-08)}'"
LEDGER = "the_ledger_holds_what_permits_take"
TAKEN = """
    INSERT INTO ledger_nights (bay_group_id, night, bays, taken)
    SELECT bay_group_id, day::date, 2, 1 FROM permits, generate_series('2026-01-05'::date, '2026-01-07', '1 day') AS day
"""


@pytest.fixture
def town(engine: Engine) -> Iterator[Connection]:
    """Give a town with one household, on a clock of its own; nothing of it stays."""
    own = make_engine(engine.url.render_as_string(hide_password=False))
    let_time_run(own, SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC)))
    try:
        with own.connect() as connection:
            make_household(connection, make_town(connection))
            connection.execute(text("UPDATE facilities SET materialised_until = '2026-01-04T12:00Z'"))
            yield connection
            connection.rollback()
    finally:
        own.dispose()
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA simulated CASCADE"))


def permit(state: str, *, nights: str = "NULL", reason: str = "NULL") -> str:
    return PERMIT.format(state=state, nights=nights, reason=reason)


def offer(state: str, *, hours: int = 80, decided: str = "now()") -> str:
    return OFFER.format(state=state, hours=hours, decided=decided)


def test_a_sound_town_breaks_nothing(town: Connection) -> None:
    for statement in (permit("active", nights=NIGHTS), TAKEN, offer("accepted"), TOLD):
        town.execute(text(statement))
    assert broken_rules(town) == {}


@pytest.mark.parametrize(
    ("statements", "rule"),
    [
        ((permit("active", nights=NIGHTS), TAKEN, "DELETE FROM ledger_nights WHERE night = '2026-01-06'"), LEDGER),
        (
            (permit("active", nights=NIGHTS), TAKEN, "UPDATE ledger_nights SET taken = 2 WHERE night = '2026-01-06'"),
            LEDGER,
        ),
        (
            (permit("active", nights=NIGHTS), TAKEN, "UPDATE facilities SET materialised_until = '2026-01-20'"),
            "nights_of_permits_have_their_bay",
        ),
        ((permit("offered"), offer("pending", hours=71, decided="NULL"), TOLD), "every_offer_waits_for_three_days"),
        ((permit("offered"), offer("pending", decided="NULL")), "everybody_is_told_of_offers"),
        ((permit("ended"), offer("accepted"), TOLD), "what_was_accepted_is_a_permit"),
        ((permit("active"), offer("declined"), TOLD), "what_was_refused_is_none"),
    ],
)
def test_what_breaks_a_rule_is_seen(town: Connection, statements: tuple[str, ...], rule: str) -> None:
    for statement in statements:
        town.execute(text(statement))
    assert broken_rules(town).keys() == {rule}
