"""What offers ask of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import IntegrityError

from api.db.arrays import array_text
from api.money.rules import RULES
from api.offers.errors import OfferImpossible

_GROUPS = text(
    "SELECT g.id, g.facility_id, f.neighbourhood_id, n.country, n.timezone FROM bay_groups g "
    "JOIN facilities f ON f.id = g.facility_id JOIN neighbourhoods n ON n.id = f.neighbourhood_id "
    "WHERE g.id = ANY(:ids)"
)
_ADD = text(
    """
    WITH wanted AS (
        SELECT * FROM unnest(
            CAST(:applications AS bigint[]), CAST(:households AS bigint[]), CAST(:vehicles AS bigint[]),
            CAST(:groups AS bigint[]), CAST(:walks AS int[]), CAST(:patterns AS int[])
        ) AS w (application, household, vehicle, bay_group, walk, pattern)
    ), patterns AS MATERIALIZED (
        SELECT p.number, CAST(p.term AS daterange) AS term, p.days, p.arrive, p.leave, p.through,
               CAST(p.left_out AS date[]) AS left_out, CAST(p.nights AS datemultirange) AS nights
        FROM unnest(
            CAST(:terms AS text[]), CAST(:days AS text[]), CAST(:arrive AS int[]), CAST(:leave AS int[]),
            CAST(:through AS boolean[]), CAST(:left_out AS text[]), CAST(:nights AS text[])
        ) WITH ORDINALITY AS p (term, days, arrive, leave, through, left_out, nights, number)
    ), made AS (
        INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min, stay_through,
            state, created_at, application_id, nights, days_left_out, walk_m, monthly_price_cents)
        SELECT w.household, w.vehicle, w.bay_group, p.term, p.days, p.arrive, p.leave, p.through, 'offered', :now,
               w.application, p.nights, p.left_out, w.walk, f.monthly_price_cents
        FROM wanted w JOIN patterns p ON p.number = w.pattern
        JOIN bay_groups g ON g.id = w.bay_group JOIN facilities f ON f.id = g.facility_id
        RETURNING id, household_id
    )
    INSERT INTO offers (permit_id, household_id, source, made_at)
    SELECT id, household_id, :source, :now FROM made ORDER BY id
    RETURNING id
    """
)
_SHOWN = f"""
    SELECT o.id, o.permit_id, o.household_id, o.source, o.state, o.made_at, o.delivered_at, o.expires_at, o.decided_at,
           p.application_id, p.bay_group_id, lower(p.term) AS first, upper(p.term) - 1 AS last, p.days, p.arrive_min,
           p.leave_min, p.stay_through, p.days_left_out, p.walk_m, p.monthly_price_cents, p.state AS permit_state,
           f.id AS facility_id, f.name, g.code AS bay_group, n.timezone,
           COALESCE(r.deposit_cents, {RULES.deposit_cents}) AS deposit_cents
    FROM offers o
    JOIN permits p ON p.id = o.permit_id
    JOIN bay_groups g ON g.id = p.bay_group_id
    JOIN facilities f ON f.id = g.facility_id
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    LEFT JOIN applications a ON a.id = p.application_id
    LEFT JOIN rounds r ON r.id = a.round_id
"""
_OF_HOUSEHOLD = text(f"{_SHOWN} WHERE o.household_id = :household ORDER BY o.id DESC")
_ONE = text(f"{_SHOWN} WHERE o.id = :offer AND o.household_id = :household")
_SOME = text(f"{_SHOWN} WHERE o.id = ANY(:ids) ORDER BY o.id")
_DECIDE = text(
    "UPDATE offers SET state = :state, decided_at = :now, decided_by = :account "
    "WHERE id = :offer AND household_id = :household AND state = 'pending' "
    "AND (expires_at IS NULL OR expires_at > :now)"
)
# Before their offers: in that order does everybody lock the two who changes both.
_LOCK_PERMITS = text(
    "SELECT FROM permits p JOIN offers o ON o.permit_id = p.id WHERE o.id = ANY(:ids) ORDER BY p.id "
    "FOR NO KEY UPDATE OF p"
)
_ACTIVATE = text("UPDATE permits SET state = 'active' WHERE id = :permit AND state = 'offered'")
_SERVED = text(
    "UPDATE waitlist_entries SET state = 'served', ended_at = :now "
    "WHERE application_id = :application AND state = 'offered'"
)
_UNDELIVERED = text(
    "SELECT o.id, f.neighbourhood_id, n.country, n.timezone FROM unnest(CAST(:ids AS bigint[])) AS w (id) "
    "JOIN offers o ON o.id = w.id JOIN permits p ON p.id = o.permit_id "
    "JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id "
    "JOIN neighbourhoods n ON n.id = f.neighbourhood_id "
    "WHERE o.state = 'pending' AND o.delivered_at IS NULL"
)
_DELIVER = text(
    "UPDATE offers o SET delivered_at = :now, expires_at = w.until "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:until AS timestamptz[])) AS w (id, until) "
    "WHERE o.id = w.id AND o.state = 'pending' AND o.delivered_at IS NULL"
)
_WAITING_LONG = text(
    "SELECT id FROM offers WHERE state = 'pending' AND delivered_at IS NULL AND made_at <= :before ORDER BY id"
)
_DUE = text(
    "SELECT o.id, p.bay_group_id FROM offers o JOIN permits p ON p.id = o.permit_id "
    "WHERE o.state = 'pending' AND o.expires_at <= :now ORDER BY o.expires_at, o.id LIMIT :most"
)
_LAPSE = text(
    "UPDATE offers o SET state = 'lapsed', decided_at = :now FROM permits p "
    "WHERE o.id = ANY(:ids) AND o.state = 'pending' AND o.expires_at <= :now AND p.id = o.permit_id "
    "RETURNING o.id, o.permit_id, o.household_id, p.application_id, p.bay_group_id"
)
_ENDING_SOON = text(
    f"{_SHOWN} WHERE o.state = 'pending' AND o.expires_at > :now AND o.expires_at <= :until ORDER BY o.id"
)
_GROUP_OF = text(
    "SELECT p.bay_group_id FROM offers o JOIN permits p ON p.id = o.permit_id "
    "WHERE o.id = :offer AND o.household_id = :household"
)


def describe_groups(connection: Connection, bay_group_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Return facility, neighbourhood, country and zone of bay groups."""
    return {row.id: row for row in connection.execute(_GROUPS, {"ids": list(bay_group_ids)}).all()}


def add_offers(
    connection: Connection,
    columns: Mapping[str, Sequence[int | None]],
    patterns: Mapping[str, Sequence[Any]],
    *,
    source: str,
    now: datetime,
) -> list[int]:
    """
    Store permits that wait for an answer, and their offers; return the ids of the offers, in order.

    Parameters
    ----------
    columns
        Numbers of each permit; its term, hours and nights are those of `patterns`, counted from 1.

    Raises
    ------
    OfferImpossible
        A household has a permit or an offer for a part of the term.
    """
    values = {name: array_text(column) for name, column in columns.items()}
    try:
        with connection.begin_nested():
            return list(connection.scalars(_ADD, {**values, **patterns, "source": source, "now": now}).all())
    except IntegrityError as error:
        raise OfferImpossible("a household has a permit or an offer for a part of the term") from error


def list_offers(connection: Connection, household_id: int) -> list[Row[Any]]:
    """List the offers to a household, the newest first."""
    return list(connection.execute(_OF_HOUSEHOLD, {"household": household_id}))


def find_offer(connection: Connection, offer_id: int, *, household_id: int) -> Row[Any] | None:
    """Return an offer to a household."""
    return connection.execute(_ONE, {"offer": offer_id, "household": household_id}).one_or_none()


def list_some(connection: Connection, offer_ids: Sequence[int]) -> list[Row[Any]]:
    """Return offers by their ids."""
    return list(connection.execute(_SOME, {"ids": list(offer_ids)}))


def find_group(connection: Connection, offer_id: int, *, household_id: int) -> int | None:
    """Return the bay group of an offer to a household."""
    group: int | None = connection.scalar(_GROUP_OF, {"offer": offer_id, "household": household_id})
    return group


def lock_permits(connection: Connection, offer_ids: Sequence[int]) -> None:
    """Keep others from changing the permits of offers until this transaction ends; the caller acts as the worker."""
    connection.execute(_LOCK_PERMITS, {"ids": list(offer_ids)})


def decide(
    connection: Connection, offer_id: int, *, state: str, household_id: int, account_id: int | None, now: datetime
) -> bool:
    """Note a household's word while the offer waits and its time is not over; tell whether it did."""
    values = {"offer": offer_id, "household": household_id, "account": account_id, "state": state, "now": now}
    return connection.execute(_DECIDE, values).rowcount == 1


def activate(connection: Connection, permit_id: int) -> None:
    """Let an offered permit be in force."""
    connection.execute(_ACTIVATE, {"permit": permit_id})


def note_served(connection: Connection, application_id: int | None, *, now: datetime) -> None:
    """Let an application whose offer was accepted wait no more."""
    connection.execute(_SERVED, {"application": application_id, "now": now})


def list_undelivered(connection: Connection, offer_ids: Sequence[int]) -> list[Row[Any]]:
    """List those of some offers that wait and were not delivered, with the calendar they go by."""
    return list(connection.execute(_UNDELIVERED, {"ids": list(offer_ids)}))


def deliver(connection: Connection, expiries: Mapping[int, datetime], *, now: datetime) -> None:
    """Note that offers were delivered, and until when they wait."""
    connection.execute(_DELIVER, {"ids": list(expiries), "until": list(expiries.values()), "now": now})


def list_waiting_for_delivery(connection: Connection, *, since: timedelta, now: datetime) -> list[int]:
    """List the offers that were made so long ago and that nothing has delivered."""
    return list(connection.scalars(_WAITING_LONG, {"before": now - since}))


def list_due(connection: Connection, *, most: int, now: datetime) -> list[Row[Any]]:
    """List offers whose time is over with their bay group, at most so many."""
    return list(connection.execute(_DUE, {"now": now, "most": most}))


def lapse(connection: Connection, offer_ids: Sequence[int], *, now: datetime) -> list[Row[Any]]:
    """End those of some offers that nobody has answered; return them."""
    return list(connection.execute(_LAPSE, {"ids": list(offer_ids), "now": now}))


def list_ending_soon(connection: Connection, *, within: timedelta, now: datetime) -> list[Row[Any]]:
    """List the offers that expire within a while."""
    return list(connection.execute(_ENDING_SOON, {"now": now, "until": now + within}))
