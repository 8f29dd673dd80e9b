"""What applications ask of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import IntegrityError

from api.rounds.errors import ApplicationExists, ApplicationNotFound

TIER_DOCUMENTS = ("disability_card", "veteran_card", "birth_certificate", "other")
"""One of these must have been seen for a tier better than the last."""

_SHOWN = """
    SELECT a.id, a.round_id, a.household_id, a.vehicle_id, a.home_id, a.days, a.arrive_min, a.leave_min, a.stay_through,
           a.max_walk_m, a.needs, a.height_m, a.claimed_tier, a.tier, a.rounds_waited, a.holds_facility_id, a.state,
           a.version, a.submitted_at, a.changed_at, a.consent_noted, r.state AS round_state, r.name AS round_name,
           r.closes_at, r.publishes_at, n.slug AS neighbourhood, n.timezone,
           COALESCE((SELECT json_agg(json_build_object('kind', d.kind, 'seen_by', d.seen_by, 'seen_at', d.seen_at)
                                     ORDER BY d.kind)
                     FROM application_documents d WHERE d.application_id = a.id), '[]') AS documents
    FROM applications a JOIN rounds r ON r.id = a.round_id JOIN neighbourhoods n ON n.id = r.neighbourhood_id
"""
_HOUSEHOLD = text(
    """
    SELECT h.home_id, o.neighbourhood_id, v.id AS vehicle_id, v.plate_hash, v.height_m, v.needs
    FROM households h JOIN homes o ON o.id = h.home_id
    LEFT JOIN vehicles v ON v.household_id = h.id AND v.withdrawn_at IS NULL
    WHERE h.id = :household
    """
)
_PERMIT_THROUGHOUT = text(
    """
    SELECT upper(term) - 1 FROM permits
    WHERE household_id = :household AND state = 'active'
      AND term @> daterange(CAST(:first AS date), CAST(:last AS date), '[]')
    """
)
# A row that was withdrawn is taken up again: the application keeps its id, and nothing is drawn anew.
_SUBMIT = text(
    """
    INSERT INTO applications (round_id, household_id, vehicle_id, plate_hash, home_id, days, arrive_min, leave_min,
                              stay_through, max_walk_m, needs, height_m, claimed_tier, tier, submitted_at, changed_at,
                              submitted_by, consent_noted)
    VALUES (:round, :household, :vehicle, :plate_hash, :home, :days, :arrive_min, :leave_min, :stay_through,
            :max_walk_m, :needs, :height_m, :claimed_tier, 3, :now, :now, :account, :consent)
    ON CONFLICT (round_id, household_id) DO UPDATE
    SET vehicle_id = excluded.vehicle_id, plate_hash = excluded.plate_hash, home_id = excluded.home_id,
        days = excluded.days, arrive_min = excluded.arrive_min, leave_min = excluded.leave_min,
        stay_through = excluded.stay_through, max_walk_m = excluded.max_walk_m, needs = excluded.needs,
        height_m = excluded.height_m, claimed_tier = excluded.claimed_tier, tier = 3, state = 'submitted',
        version = applications.version + 1, changed_at = excluded.changed_at, submitted_by = excluded.submitted_by,
        consent_noted = excluded.consent_noted
    WHERE applications.state = 'withdrawn'
    RETURNING id
    """
)
_EDIT = text(
    """
    UPDATE applications
    SET vehicle_id = :vehicle, plate_hash = :plate_hash, home_id = :home, days = :days, arrive_min = :arrive_min,
        leave_min = :leave_min, stay_through = :stay_through, max_walk_m = :max_walk_m, needs = :needs,
        height_m = :height_m,
        tier = CASE WHEN claimed_tier = :claimed_tier THEN tier ELSE 3 END, claimed_tier = :claimed_tier,
        version = version + 1, changed_at = :now,
        consent_noted = consent_noted OR :consent
    WHERE id = :application AND version = :version AND state = 'submitted'
    """
)
# What was seen was seen for a claim: whoever takes an application up again with another one shows it again.
_FORGET_OTHER_CLAIM = text(
    """
    DELETE FROM application_documents d USING applications a
    WHERE a.id = d.application_id AND a.round_id = :round AND a.household_id = :household AND a.state = 'withdrawn'
      AND a.claimed_tier <> :claimed_tier AND d.kind = ANY(:kinds)
    """
)
_WITHDRAW = text(
    "UPDATE applications SET state = 'withdrawn', version = version + 1, changed_at = :now"
    " WHERE id = :application AND state = 'submitted'"
)
_FOLLOW = text(
    """
    UPDATE applications a
    SET home_id = h.home_id, vehicle_id = COALESCE(v.id, a.vehicle_id), version = a.version + 1, changed_at = :now,
        plate_hash = COALESCE(v.plate_hash, a.plate_hash),
        height_m = CASE WHEN v.id IS NULL THEN a.height_m ELSE v.height_m END,
        needs = CASE WHEN v.id IS NULL OR v.needs = old.needs THEN a.needs ELSE v.needs END
    FROM vehicles old, rounds r, homes o, households h
    LEFT JOIN vehicles v ON v.household_id = h.id AND v.withdrawn_at IS NULL AND :car
    WHERE a.household_id = :household AND h.id = a.household_id AND o.id = h.home_id AND r.id = a.round_id
      AND old.id = a.vehicle_id
      AND a.state = 'submitted' AND r.state = 'open' AND r.closes_at > :now AND o.neighbourhood_id = r.neighbourhood_id
      AND (
        a.home_id <> h.home_id OR v.id <> a.vehicle_id OR v.id IS NOT NULL AND v.height_m IS DISTINCT FROM a.height_m
      )
    RETURNING a.id
    """
)
_SEE = text(
    """
    INSERT INTO application_documents (application_id, kind, seen_by, seen_at)
    VALUES (:application, :kind, :account, :now)
    ON CONFLICT (application_id, kind) DO NOTHING
    """
)
_RATE = text(
    """
    UPDATE applications a SET tier = CASE
        WHEN EXISTS (SELECT FROM application_documents d WHERE d.application_id = a.id AND d.kind = ANY(:kinds))
        THEN a.claimed_tier ELSE 3 END
    WHERE a.id = :application
    """
)


def describe_household(connection: Connection, household_id: int) -> Row[Any]:
    """Return where a household lives, and its car if it has one."""
    return connection.execute(_HOUSEHOLD, {"household": household_id}).one()


def find_permit_throughout(connection: Connection, household_id: int, *, first: date, last: date) -> date | None:
    """Return the last evening of a permit that a household has on every evening from one to another."""
    until: date | None = connection.scalar(
        _PERMIT_THROUGHOUT, {"household": household_id, "first": first, "last": last}
    )
    return until


def submit(connection: Connection, values: Mapping[str, Any]) -> int:
    """
    Store an application, or take one up again that was withdrawn; return its id.

    Raises
    ------
    ApplicationExists
        The household, or another with the same plate, has one in this round.
    """
    try:
        with connection.begin_nested():
            connection.execute(_FORGET_OTHER_CLAIM, {**values, "kinds": list(TIER_DOCUMENTS)})
            made = connection.scalar(_SUBMIT, dict(values))
    except IntegrityError as error:
        raise _known(error) from error
    if made is None:
        raise ApplicationExists("the household has applied in this round: change that application instead")
    return int(made)


def edit(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Change an application that is still of a version; tell whether it was."""
    try:
        with connection.begin_nested():
            return bool(connection.execute(_EDIT, dict(values)).rowcount)
    except IntegrityError as error:
        raise _known(error) from error


def _known(error: IntegrityError) -> Exception:
    """Tell a car that stands in two applications from a fault of ours."""
    if isinstance(error.orig, UniqueViolation) and error.orig.diag.constraint_name == "applications_round_id_plate_key":
        return ApplicationExists("the car stands in another application of this round")
    return error


def withdraw(connection: Connection, application_id: int, *, now: datetime) -> bool:
    """Withdraw an application; tell whether it stood."""
    return bool(connection.execute(_WITHDRAW, {"application": application_id, "now": now}).rowcount)


def follow(connection: Connection, household_id: int, *, now: datetime) -> list[int]:
    """
    Let the household's applications be for its home and car of now, until closing; return those that changed.

    They stay for the former car where another household's application is for the new one.
    """
    values = {"household": household_id, "now": now}
    try:
        with connection.begin_nested():
            return list(connection.scalars(_FOLLOW, {**values, "car": True}))
    except IntegrityError:
        return list(connection.scalars(_FOLLOW, {**values, "car": False}))


def get_application(connection: Connection, application_id: int, *, household_id: int | None = None) -> Row[Any]:
    """Return an application that whoever asks may see, or of one household; raise ApplicationNotFound without one."""
    query = text(
        f"{_SHOWN} WHERE a.id = :application AND (CAST(:household AS bigint) IS NULL OR a.household_id = :household)"
    )
    row = connection.execute(query, {"application": application_id, "household": household_id}).one_or_none()
    if row is None:
        raise ApplicationNotFound("no such application")
    return row


def list_own(connection: Connection, household_id: int) -> Sequence[Row[Any]]:
    """List the applications of a household, the newest first."""
    query = text(f"{_SHOWN} WHERE a.household_id = :household ORDER BY a.id DESC LIMIT 100")
    return connection.execute(query, {"household": household_id}).all()


def list_of_round(connection: Connection, round_id: int, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """List the applications of a round with an id above `after`, the oldest first."""
    query = text(f"{_SHOWN} WHERE a.round_id = :round AND a.id > :after ORDER BY a.id LIMIT :limit")
    return connection.execute(query, {"round": round_id, "after": after, "limit": limit}).all()


def lock_application(connection: Connection, application_id: int) -> int:
    """Keep an application that one may see from being changed until the end of the transaction; return its version."""
    query = text("SELECT version FROM applications WHERE id = :application FOR UPDATE")
    return int(connection.execute(query, {"application": application_id}).scalar_one())


def note_document(connection: Connection, application_id: int, *, kind: str, account_id: int, now: datetime) -> None:
    """Note that a document was seen, by whom and when; the first time counts."""
    connection.execute(_SEE, {"application": application_id, "kind": kind, "account": account_id, "now": now})
    rate(connection, application_id)


def forget_document(connection: Connection, application_id: int, *, kind: str) -> bool:
    """Take back that a document was seen; tell whether it was."""
    query = text("DELETE FROM application_documents WHERE application_id = :application AND kind = :kind")
    gone = connection.execute(query, {"application": application_id, "kind": kind}).rowcount
    rate(connection, application_id)
    return bool(gone)


def is_own(connection: Connection, application_id: int, *, account_id: int) -> bool:
    """Tell whether an application is of the account's own household."""
    query = text(
        "SELECT true FROM applications a JOIN household_members m ON m.household_id = a.household_id"
        " WHERE a.id = :application AND m.account_id = :account"
    )
    return connection.scalar(query, {"application": application_id, "account": account_id}) is not None


def rate(connection: Connection, application_id: int) -> None:
    """Let the tier claimed hold while a document was seen for it, and else the last."""
    connection.execute(_RATE, {"application": application_id, "kinds": list(TIER_DOCUMENTS)})
