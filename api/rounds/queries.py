"""What rounds ask of the database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import IntegrityError

from api.rounds.errors import RoundConflict, RoundNotFound

_ROUND = 0x726F756E
"""One change of a round, or of who applies to it, after the other: first half of an advisory lock's key."""
_SHOWN = """
    SELECT r.id, r.neighbourhood_id, n.slug AS neighbourhood, n.timezone, n.country, r.name, r.state, r.version,
           r.opens_at, r.closes_at, r.publishes_at, lower(r.term) AS first, upper(r.term) - 1 AS last, r.policy, r.work,
           r.number_source, r.public_number, r.secret_sealed, r.commitment, r.seed, r.plan_id, r.opened_at, r.closed_at,
           r.published_at, r.ended_at, r.report #>> '{draw,secret}' AS secret_shown,
           r.deposit_cents, COALESCE((
               SELECT json_agg(json_build_object('was', d.was, 'publishes_at', d.publishes_at, 'reason', d.reason,
                                                 'decided_at', d.decided_at) ORDER BY d.id)
               FROM round_delays d WHERE d.round_id = r.id
           ), '[]') AS delays,
           ARRAY(SELECT f.facility_id FROM round_facilities f WHERE f.round_id = r.id ORDER BY 1) AS facilities
    FROM rounds r JOIN neighbourhoods n ON n.id = r.neighbourhood_id
"""
_ADD = text(
    """
    INSERT INTO rounds (neighbourhood_id, name, opens_at, closes_at, publishes_at, term, policy, work, number_source,
                        deposit_cents, created_by, created_at)
    VALUES (:neighbourhood, :name, :opens_at, :closes_at, :publishes_at, daterange(:first, :last, '[]'),
            CAST(:policy AS jsonb), CAST(:work AS jsonb), :number_source, :deposit_cents, :account, :now)
    RETURNING id
    """
)
_EDIT = text(
    """
    UPDATE rounds SET name = :name, opens_at = :opens_at, closes_at = :closes_at, publishes_at = :publishes_at,
           term = daterange(:first, :last, '[]'), policy = CAST(:policy AS jsonb), work = CAST(:work AS jsonb),
           number_source = :number_source, deposit_cents = :deposit_cents, version = version + 1
    WHERE id = :round AND state = 'draft' AND version = :version
    """
)
_OPEN = text(
    """
    UPDATE rounds SET state = 'open', commitment = :commitment, secret_sealed = :sealed, opened_at = :now,
           version = version + 1
    WHERE id = :round AND state = 'draft'
    """
)
_RESERVE = text("UPDATE round_facilities SET reserved = :reserved WHERE round_id = :round")
_IN_THE_WAY = text(
    """
    SELECT f.name, r.name AS round FROM round_facilities mine
    JOIN round_facilities other ON other.facility_id = mine.facility_id AND other.term && mine.term AND other.reserved
    JOIN facilities f ON f.id = mine.facility_id JOIN rounds r ON r.id = other.round_id
    WHERE mine.round_id = :round AND other.round_id <> :round ORDER BY f.position LIMIT 1
    """
)
_SOLD_INTO = text(
    """
    SELECT f.name, f.materialised_until FROM round_facilities m JOIN facilities f ON f.id = m.facility_id
    WHERE m.round_id = :round AND f.materialised_until > :begins ORDER BY f.materialised_until DESC LIMIT 1
    """
)
_SUPPLY = text(
    """
    SELECT f.id, f.code, f.name, f.status, f.neighbourhood_id FROM facilities f WHERE f.id = ANY(:ids) ORDER BY f.id
    """
)
_CLOSE = text(
    """
    UPDATE rounds SET state = 'closed', closed_at = :now, version = version + 1
    WHERE id = :round AND state = 'open' AND closes_at <= :now
    """
)
_NUMBER = text(
    """
    UPDATE rounds SET public_number = :number, seed = :seed, version = version + 1
    WHERE id = :round AND state = 'closed' AND seed IS NULL
    """
)
_CANCEL = text(
    """
    UPDATE rounds SET state = 'cancelled', ended_at = :now, version = version + 1
    WHERE id = :round AND state IN ('draft', 'open', 'closed', 'in_review')
    """
)
_DELAY = text(
    """
    WITH moved AS (
        UPDATE rounds r SET publishes_at = :until, version = r.version + 1 FROM rounds before
        WHERE r.id = :round AND before.id = r.id AND r.state IN ('open', 'closed', 'allocating', 'in_review')
          AND r.publishes_at < :until
        RETURNING r.id, before.publishes_at AS was
    )
    INSERT INTO round_delays (round_id, was, publishes_at, reason, decided_by, decided_at)
    SELECT id, was, :until, :reason, :account, :now FROM moved
    """
)
_IS_LATE = """
    r.state IN ('closed', 'allocating', 'in_review') AND r.publishes_at + make_interval(secs => :grace_s) <= :now
"""
_LATE_IDS = text(f"SELECT r.id FROM rounds r WHERE {_IS_LATE} ORDER BY r.id")
# With the moment at which applicants were, or are to be, told again. A publication under way has its round locked.
_LATE = text(
    f"""
    SELECT r.id, r.state, r.publishes_at, upper(r.term) - 1 AS last, n.timezone,
           r.publishes_at + floor(EXTRACT(epoch FROM :now - r.publishes_at) / :every_s) * :every_s * interval '1 s'
               AS due
    FROM rounds r JOIN neighbourhoods n ON n.id = r.neighbourhood_id
    WHERE r.id = :round AND {_IS_LATE} FOR UPDATE OF r SKIP LOCKED
    """
)
_NOT_TOLD = text(
    """
    SELECT a.id, a.household_id FROM applications a
    WHERE a.round_id = :round AND a.state = 'submitted' AND NOT EXISTS (
        SELECT FROM notices t WHERE t.household_id = a.household_id AND t.kind = 'round_late' AND t.once = :once
    ) ORDER BY a.id
    """
)
_NEXT_CLOSING = text(
    "SELECT min(next.closes_at) FROM rounds r JOIN rounds next ON next.neighbourhood_id = r.neighbourhood_id"
    " WHERE r.id = :round AND next.id <> r.id AND next.state = 'open' AND next.closes_at > :now"
)
# A permit of which its owner left nothing, or that was never accepted: nobody parked by it.
_TAKEN_BACK = "(p.end_reason IS NOT DISTINCT FROM 'withdrawn' AND COALESCE(isempty(p.nights), false))"
_NOT_ACCEPTED = (
    "EXISTS (SELECT FROM offers o WHERE o.permit_id = p.id AND o.state IN ('declined', 'lapsed', 'withdrawn'))"
)
# What holds when applications close: who waited how often since it last had a permit, and what it holds now.
_SETTLE = text(
    f"""
    WITH past AS (
        SELECT a.household_id, count(*) AS waited
        FROM rounds r
        JOIN rounds before ON before.neighbourhood_id = r.neighbourhood_id AND before.published_at < :now
        JOIN applications a ON a.round_id = before.id AND a.state = 'submitted'
        WHERE r.id = :round
          AND NOT EXISTS (SELECT FROM permits p WHERE p.application_id = a.id AND NOT {_TAKEN_BACK})
          AND NOT EXISTS (
            SELECT FROM permits p JOIN applications served ON served.id = p.application_id
            JOIN rounds later ON later.id = served.round_id
            WHERE p.household_id = a.household_id AND NOT {_TAKEN_BACK} AND NOT {_NOT_ACCEPTED}
              AND later.published_at >= before.published_at
          )
        GROUP BY 1
    ), held AS (
        SELECT DISTINCT ON (p.household_id) p.household_id, g.facility_id
        FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id
        WHERE p.state = 'active' ORDER BY p.household_id, p.id DESC
    )
    UPDATE applications a
    SET rounds_waited = COALESCE(past.waited, 0), holds_facility_id = held.facility_id
    FROM (SELECT id, household_id FROM applications WHERE round_id = :round) mine
    LEFT JOIN past ON past.household_id = mine.household_id
    LEFT JOIN held ON held.household_id = mine.household_id
    WHERE a.id = mine.id
    """
)


def lock_round(connection: Connection, round_id: int, *, shared: bool = False) -> None:
    """Let one change of a round happen after the other; who applies takes the lock `shared`, so that closing waits."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    connection.execute(
        text(f"SELECT {function}(CAST(:space AS bigint) << 32 | :round)"), {"space": _ROUND, "round": round_id}
    )


def get_round(connection: Connection, round_id: int) -> Row[Any]:
    """Return a round that whoever asks may see; raise RoundNotFound without one."""
    row = connection.execute(text(f"{_SHOWN} WHERE r.id = :round"), {"round": round_id}).one_or_none()
    if row is None:
        raise RoundNotFound("no such round")
    return row


def place_of(connection: Connection, neighbourhood_id: int) -> Row[Any]:
    """Return zone and country of a neighbourhood."""
    query = text("SELECT timezone, country, slug FROM neighbourhoods WHERE id = :id")
    return connection.execute(query, {"id": neighbourhood_id}).one()


def list_rounds(connection: Connection, neighbourhood_id: int) -> Sequence[Row[Any]]:
    """List the rounds of a neighbourhood that whoever asks may see, the newest first."""
    query = text(f"{_SHOWN} WHERE r.neighbourhood_id = :neighbourhood ORDER BY r.id DESC LIMIT 200")
    return connection.execute(query, {"neighbourhood": neighbourhood_id}).all()


def facilities_by_id(connection: Connection, ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Return facilities by id, with state and neighbourhood."""
    return {row.id: row for row in connection.execute(_SUPPLY, {"ids": list(ids)}).all()}


def published_facility_ids(connection: Connection, neighbourhood_id: int) -> list[int]:
    """List what is published in a neighbourhood."""
    query = text("SELECT id FROM facilities WHERE neighbourhood_id = :n AND status = 'published' ORDER BY id")
    return list(connection.scalars(query, {"n": neighbourhood_id}))


def add_round(connection: Connection, values: Mapping[str, Any], facilities: Sequence[int]) -> int:
    """Store a draft with its facilities; return its id."""
    round_id = int(connection.execute(_ADD, _stored(values)).scalar_one())
    _set_facilities(connection, round_id, facilities)
    return round_id


def edit_round(
    connection: Connection, round_id: int, *, version: int, values: Mapping[str, Any], facilities: Sequence[int]
) -> bool:
    """Change a draft that is still of a version; tell whether it was."""
    changed = connection.execute(_EDIT, {**_stored(values), "round": round_id, "version": version}).rowcount
    if changed:
        connection.execute(text("DELETE FROM round_facilities WHERE round_id = :round"), {"round": round_id})
        _set_facilities(connection, round_id, facilities)
    return bool(changed)


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "policy": json.dumps(values["policy"]), "work": json.dumps(values["work"])}


def _set_facilities(connection: Connection, round_id: int, facilities: Sequence[int]) -> None:
    query = text(
        "INSERT INTO round_facilities (round_id, facility_id, term)"
        " SELECT r.id, unnest(CAST(:ids AS bigint[])), r.term FROM rounds r WHERE r.id = :round"
    )
    connection.execute(query, {"round": round_id, "ids": list(facilities)})


def find_sold_into(connection: Connection, round_id: int, *, begins: datetime) -> Row[Any] | None:
    """Return the facility of a round that one-off bookings were sold furthest into its term, None where none was."""
    return connection.execute(_SOLD_INTO, {"round": round_id, "begins": begins}).first()


def open_round(connection: Connection, round_id: int, *, commitment: bytes, sealed: bytes, now: datetime) -> bool:
    """Open a draft and reserve its facilities; tell whether it was one. RoundConflict where another round has them."""
    values = {"round": round_id, "commitment": commitment, "sealed": sealed, "now": now}
    if not connection.execute(_OPEN, values).rowcount:
        return False
    try:
        with connection.begin_nested():
            connection.execute(_RESERVE, {"round": round_id, "reserved": True})
    except IntegrityError as error:
        other = connection.execute(_IN_THE_WAY, {"round": round_id}).first()
        words = f"{other.name} is reserved by the round {other.round}" if other else "another round has its facilities"
        raise RoundConflict(f"{words} in this term") from error
    return True


def list_due(connection: Connection, *, now: datetime) -> list[int]:
    """List the open rounds whose closing time has come."""
    return list(
        connection.scalars(
            text("SELECT id FROM rounds WHERE state = 'open' AND closes_at <= :now ORDER BY id"), {"now": now}
        )
    )


def close_round(connection: Connection, round_id: int, *, now: datetime) -> bool:
    """Close a round whose time has come, and settle what its applications are worth; tell whether it was open."""
    if not connection.execute(_CLOSE, {"round": round_id, "now": now}).rowcount:
        return False
    connection.execute(_SETTLE, {"round": round_id, "now": now})
    return True


def set_number(connection: Connection, round_id: int, *, number: str, seed: int) -> bool:
    """Note the public number of a closed round, once; tell whether it was still open."""
    return bool(connection.execute(_NUMBER, {"round": round_id, "number": number, "seed": seed}).rowcount)


def cancel_round(connection: Connection, round_id: int, *, now: datetime) -> bool:
    """Call a round off that is not published; tell whether that was possible."""
    return bool(connection.execute(_CANCEL, {"round": round_id, "now": now}).rowcount)


def free_facilities(connection: Connection, round_id: int) -> None:
    """Give the facilities of a round free."""
    connection.execute(_RESERVE, {"round": round_id, "reserved": False})


def delay_round(
    connection: Connection, round_id: int, *, until: datetime, reason: str, account_id: int | None, now: datetime
) -> bool:
    """Give a round that is not published a later day of publication, and note it; tell whether that was possible."""
    values = {"round": round_id, "until": until, "reason": reason, "account": account_id, "now": now}
    return bool(connection.execute(_DELAY, values).rowcount)


def list_late(connection: Connection, *, grace: timedelta, now: datetime) -> list[int]:
    """List closed rounds that nobody published within a grace of their time."""
    return list(connection.scalars(_LATE_IDS, {"grace_s": grace.total_seconds(), "now": now}))


def find_late(
    connection: Connection, round_id: int, *, grace: timedelta, every: timedelta, now: datetime
) -> Row[Any] | None:
    """
    Return a round, locked, that nobody published within a grace of its time, and does at this moment; None otherwise.

    Since when its applicants are to be told is `due`.
    """
    values = {"round": round_id, "grace_s": grace.total_seconds(), "every_s": every.total_seconds(), "now": now}
    return connection.execute(_LATE, values).one_or_none()


def list_not_told(connection: Connection, round_id: int, *, once: str) -> list[Row[Any]]:
    """List the applicants of a late round who were not told so by this name, with their application's id."""
    return list(connection.execute(_NOT_TOLD, {"round": round_id, "once": once}))


def find_next_closing(connection: Connection, round_id: int, *, now: datetime) -> datetime | None:
    """Return when the next open round of the same neighbourhood closes; None without one."""
    found: datetime | None = connection.scalar(_NEXT_CLOSING, {"round": round_id, "now": now})
    return found


def applicants(connection: Connection, round_id: int) -> list[Row[Any]]:
    """List the households whose application stands, with its id."""
    query = text(
        "SELECT id, household_id FROM applications WHERE round_id = :round AND state = 'submitted' ORDER BY id"
    )
    return list(connection.execute(query, {"round": round_id}))


def num_applications(connection: Connection, round_id: int) -> int:
    """Count the applications that stand."""
    return len(applicants(connection, round_id))


def release_ledger(connection: Connection, facility_ids: Sequence[int], *, first: date, last: date) -> None:
    """Take the nights of a round that was called off out of the ledger, where nobody has any of them."""
    query = text(
        "DELETE FROM ledger_nights l USING bay_groups g WHERE g.id = l.bay_group_id AND g.facility_id = ANY(:ids)"
        " AND l.night BETWEEN :first AND :last AND l.taken = 0"
    )
    connection.execute(query, {"ids": list(facility_ids), "first": first, "last": last})
