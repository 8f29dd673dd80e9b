"""What allocating, reviewing and publishing a round ask of the database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import OperationalError

from api.db.whole import reading_whole_tables
from api.plans.queries import PlanNotFound
from api.rounds.allocation_errors import DecisionNotFound
from api.rounds.errors import ApplicationNotFound, RoundConflict, RoundNotFound

_ROUND = """
    SELECT r.id, r.neighbourhood_id, n.slug AS neighbourhood, n.country, n.timezone, r.name, r.state, r.publishes_at,
           lower(r.term) AS first, upper(r.term) - 1 AS last, r.work, r.seed, r.public_number, r.number_source,
           r.commitment, r.plan_id, r.published_at
    FROM rounds r JOIN neighbourhoods n ON n.id = r.neighbourhood_id WHERE r.id = :round
"""
_LOCKED = text(f"{_ROUND} FOR UPDATE OF r NOWAIT")
_SET_STATE = text("UPDATE rounds SET state = :state, version = version + 1 WHERE id = :round")
# A word on a facility that is not offered any more, or on an application that does not stand, is void: see the folder.
_IN_FORCE = """(
    EXISTS (SELECT FROM applications a WHERE a.id = d.application_id AND a.state = 'submitted')
    AND (d.facility_id IS NULL OR EXISTS (
        SELECT FROM round_facilities rf JOIN facilities f ON f.id = rf.facility_id AND f.status = 'published'
        WHERE rf.round_id = d.round_id AND rf.facility_id = d.facility_id
    ))
)"""
_NUM_DECISIONS = text(
    "SELECT count(*) FILTER (WHERE d.decision = 'lock') AS locked,"
    " count(*) FILTER (WHERE d.decision = 'reject') AS rejected"
    f" FROM round_decisions d WHERE d.round_id = :round AND {_IN_FORCE}"
)
_APPLICATIONS = text(
    "SELECT 'h' || household_id AS demand, id FROM applications"
    " WHERE round_id = :round AND state = 'submitted' ORDER BY household_id"
)
_GROUPS = text(
    "SELECT f.code AS facility, g.code AS bay_group, g.id FROM round_facilities rf"
    " JOIN facilities f ON f.id = rf.facility_id AND f.status = 'published' JOIN bay_groups g ON g.facility_id = f.id"
    " WHERE rf.round_id = :round"
)
_SAID = """
    SELECT o.plan_id, a.round_id, o.application_id, o.position, o.salt, o.bay_group_id, o.walk_m, o.days_left_out,
           o.reason, CAST(o.options AS text) AS options, a.household_id, a.vehicle_id, a.days, a.arrive_min,
           a.leave_min, a.stay_through, a.tier, a.rounds_waited, f.id AS facility_id, f.code AS facility,
           g.code AS bay_group, r.seed
    FROM round_outcomes o JOIN applications a ON a.id = o.application_id JOIN rounds r ON r.id = a.round_id
    LEFT JOIN bay_groups g ON g.id = o.bay_group_id LEFT JOIN facilities f ON f.id = g.facility_id
"""
_OUTCOMES = text(f"{_SAID} WHERE o.plan_id = :plan ORDER BY o.position")
_PAGE = text(
    f"""{_SAID} WHERE o.plan_id = :plan AND o.application_id < :before
    AND (CAST(:served AS boolean) IS NULL OR (o.bay_group_id IS NOT NULL) = :served)
    AND (CAST(:reason AS text) IS NULL OR o.reason = :reason)
    AND (CAST(:facility AS bigint) IS NULL OR f.id = :facility)
    ORDER BY o.application_id DESC LIMIT :limit"""
)
_PLANS = """
    SELECT p.id, p.round_id, p.run_id, p.base_id, p.summary, p.input_sha256, p.inputs, p.parameters, p.version,
           p.value_m, p.bound_m, p.demands, p.served, p.locked, p.rejected, p.decisions_cost_m, p.comparison,
           p.checked_at, p.created_at
    FROM round_plans p
"""
_OF_ROUND = text(f"{_PLANS} WHERE p.round_id = :round ORDER BY p.id DESC")
_PLAN = text(f"{_PLANS} WHERE p.id = :plan")
_NEWEST = text("SELECT max(id) FROM round_plans WHERE round_id = :round")
_CERTIFICATE = text("SELECT certificate FROM round_plans WHERE id = :plan")
_KEEP_COMPARISON = text("UPDATE round_plans SET comparison = CAST(:comparison AS json) WHERE id = :plan")
_TREE = text("SELECT leaves, tree FROM round_receipts WHERE plan_id = :plan")
_RECEIPT = text(
    f"{_SAID} WHERE o.application_id = :application AND o.plan_id = r.plan_id AND r.published_at IS NOT NULL"
)
_HASHES = text(
    "SELECT substring(t.tree FROM octet_length(t.tree) - 31) AS root, ARRAY("
    "SELECT substring(t.tree FROM at * 32 + 1 FOR 32) FROM unnest(CAST(:at AS int[])) WITH ORDINALITY AS w (at, n)"
    " ORDER BY n) AS hashes"
    " FROM round_receipts t JOIN rounds r ON r.plan_id = t.plan_id WHERE t.plan_id = :plan"
)
_COMPARED = text(
    """
    SELECT a.tier, count(*) AS demands, count(b.bay_group_id) AS served_before, count(n.bay_group_id) AS served_after,
           count(*) FILTER (WHERE b.bay_group_id IS NULL AND n.bay_group_id IS NOT NULL) AS gained,
           count(*) FILTER (WHERE b.bay_group_id IS NOT NULL AND n.bay_group_id IS NULL) AS lost,
           count(*) FILTER (WHERE gb.facility_id <> gn.facility_id) AS moved,
           COALESCE(sum(b.walk_m), 0) AS walk_before_m, COALESCE(sum(n.walk_m), 0) AS walk_after_m,
           COALESCE(sum(n.walk_m - b.walk_m), 0) AS walk_change_m
    FROM round_outcomes b JOIN round_outcomes n USING (application_id) JOIN applications a ON a.id = application_id
    LEFT JOIN bay_groups gb ON gb.id = b.bay_group_id LEFT JOIN bay_groups gn ON gn.id = n.bay_group_id
    WHERE b.plan_id = :before AND n.plan_id = :after GROUP BY a.tier ORDER BY a.tier
    """
)
_CHANGES = text(
    """
    SELECT application_id, gb.facility_id AS before, gn.facility_id AS after, b.walk_m AS walk_before_m,
           n.walk_m AS walk_after_m
    FROM round_outcomes b JOIN round_outcomes n USING (application_id)
    LEFT JOIN bay_groups gb ON gb.id = b.bay_group_id LEFT JOIN bay_groups gn ON gn.id = n.bay_group_id
    WHERE b.plan_id = :before AND n.plan_id = :after AND gb.facility_id IS DISTINCT FROM gn.facility_id
    ORDER BY application_id LIMIT :limit
    """
)
_DECISION = f"""
    SELECT d.id, d.application_id, d.facility_id, d.decision, d.note, d.decided_by, d.decided_at,
           {_IN_FORCE} AS in_force
    FROM round_decisions d
"""
_DECISIONS = text(f"{_DECISION} WHERE d.round_id = :round ORDER BY d.id")
_DECISIONS_ON = text(f"{_DECISION} WHERE d.application_id = :application")
_APPLICATION = text("SELECT id FROM applications WHERE id = :application AND round_id = :round AND state = 'submitted'")
_OFFERED = text(
    "SELECT true FROM round_facilities rf JOIN facilities f ON f.id = rf.facility_id AND f.status = 'published'"
    " WHERE rf.round_id = :round AND f.id = :facility"
)
_ADD_DECISION = text(
    "INSERT INTO round_decisions (round_id, application_id, facility_id, decision, note, decided_by, decided_at)"
    " VALUES (:round, :application, :facility, :decision, :note, :by, :now) RETURNING id"
)
_REMOVE_DECISION = text(
    "DELETE FROM round_decisions WHERE id = :decision AND round_id = :round RETURNING application_id"
)
_PUBLISH = text(
    "UPDATE rounds SET state = 'published', plan_id = :plan, published_at = :now, report = CAST(:report AS json),"
    " version = version + 1 WHERE id = :round"
)
_BEGINS = text(
    """
    SELECT o.application_id, max(upper(p.term)) AS begins
    FROM round_outcomes o JOIN applications a ON a.id = o.application_id
    JOIN permits p ON p.household_id = a.household_id AND p.state IN ('offered', 'active')
        AND p.term && daterange(CAST(:first AS date), CAST(:last AS date), '[]')
    WHERE o.plan_id = :plan AND o.bay_group_id IS NOT NULL GROUP BY o.application_id
    """
)
# Whom a plan serves although home or car are not what it was made for.
_CHANGED = text(
    """
    SELECT o.application_id, h.home_id <> a.home_id AS has_moved,
           (SELECT w.walk_m FROM walk_pairs w WHERE w.home_id = h.home_id AND w.facility_id = f.id) AS walk_m,
           COALESCE(a.max_walk_m, CAST(r.policy ->> 'max_walk_m' AS float), :limit_m) AS limit_m,
           v.id AS vehicle_id, v.height_m, f.max_height_m, COALESCE(v.needs, '') AS needs, old.needs AS former_needs,
           g.kinds
    FROM round_outcomes o
    JOIN applications a ON a.id = o.application_id
    JOIN rounds r ON r.id = a.round_id
    JOIN households h ON h.id = a.household_id
    JOIN bay_groups g ON g.id = o.bay_group_id
    JOIN facilities f ON f.id = g.facility_id
    JOIN vehicles old ON old.id = a.vehicle_id
    LEFT JOIN vehicles v ON v.household_id = a.household_id AND v.withdrawn_at IS NULL
    WHERE o.plan_id = :plan AND (
        h.home_id <> a.home_id OR v.id <> a.vehicle_id OR v.id IS NOT NULL AND v.height_m IS DISTINCT FROM a.height_m
    )
    """
)
_MOVED = text(
    """
    SELECT a.household_id FROM applications a JOIN households h ON h.id = a.household_id
    JOIN waitlist_entries e ON e.application_id = a.id AND e.state = 'waiting'
    WHERE a.round_id = :round AND h.home_id <> a.home_id ORDER BY 1
    """
)
_REPORT = text("SELECT report FROM rounds WHERE id = :round AND published_at IS NOT NULL")


def get_round(connection: Connection, round_id: int) -> Row[Any]:
    """Return a round; raise RoundNotFound without one."""
    row = connection.execute(text(_ROUND), {"round": round_id}).one_or_none()
    if row is None:
        raise RoundNotFound("no such round")
    return row


def lock_round(connection: Connection, round_id: int) -> Row[Any]:
    """
    Return a round and keep everybody else from changing it until the transaction ends.

    Raises
    ------
    RoundNotFound, RoundConflict
        There is none; somebody else is changing it.
    """
    try:
        row = connection.execute(_LOCKED, {"round": round_id}).one_or_none()
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        raise RoundConflict("somebody else is changing the round at this moment; look again") from error
    if row is None:
        raise RoundNotFound("no such round")
    return row


def set_state(connection: Connection, round_id: int, state: str) -> None:
    """Let a round be in another state."""
    connection.execute(_SET_STATE, {"round": round_id, "state": state})


def num_decisions(connection: Connection, round_id: int) -> tuple[int, int]:
    """Count the locks and rejections of a round that are in force."""
    row = connection.execute(_NUM_DECISIONS, {"round": round_id}).one()
    return row.locked, row.rejected


def applications_by_demand(connection: Connection, round_id: int) -> dict[str, int]:
    """Return the applications of a round by their demand's id, in the order of demands.csv."""
    return {row.demand: row.id for row in connection.execute(_APPLICATIONS, {"round": round_id}).all()}


def bay_groups_by_code(connection: Connection, round_id: int) -> dict[tuple[str, str], int]:
    """Return the bay groups of a round by the codes of facility and group."""
    return {(row.facility, row.bay_group): row.id for row in connection.execute(_GROUPS, {"round": round_id}).all()}


def load_outcomes(connection: Connection, plan_id: int) -> list[Row[Any]]:
    """Return all outcomes of a plan with their applications, in the order of its receipts."""
    with reading_whole_tables(connection):
        return list(connection.execute(_OUTCOMES, {"plan": plan_id}).all())


def list_outcomes(
    connection: Connection,
    plan_id: int,
    *,
    served: bool | None,
    reason: str | None,
    facility: int | None,
    before: int,
    limit: int,
) -> list[Row[Any]]:
    """List outcomes of a plan whose application's id is below `before`, the newest first."""
    values = {"plan": plan_id, "served": served, "reason": reason, "facility": facility}
    return list(connection.execute(_PAGE, {**values, "before": before, "limit": limit}))


def list_plans(connection: Connection, round_id: int) -> list[Row[Any]]:
    """List the plans of a round, the newest first."""
    return list(connection.execute(_OF_ROUND, {"round": round_id}))


def get_plan(connection: Connection, plan_id: int, *, of: int | None = None) -> Row[Any]:
    """Return a plan, of a round where it is named; raise PlanNotFound without one."""
    row = connection.execute(_PLAN, {"plan": plan_id}).one_or_none()
    if row is None or of not in (None, row.round_id):
        raise PlanNotFound("no such plan")
    return row


def find_newest_plan(connection: Connection, round_id: int) -> int | None:
    """Return the newest plan of a round; None before the first."""
    newest: int | None = connection.scalar(_NEWEST, {"round": round_id})
    return newest


def load_certificate(connection: Connection, plan_id: int) -> Any:  # noqa: ANN401 -- JSON
    """Return the certificate of a plan."""
    return connection.scalar(_CERTIFICATE, {"plan": plan_id})


def keep_comparison(connection: Connection, plan_id: int, comparison: Mapping[str, Any]) -> None:
    """Keep what has changed against the plan that this one started from."""
    connection.execute(_KEEP_COMPARISON, {"plan": plan_id, "comparison": json.dumps(dict(comparison))})


def load_tree(connection: Connection, plan_id: int) -> bytes | None:
    """Return the tree of a plan's receipts; None without one."""
    row = connection.execute(_TREE, {"plan": plan_id}).one_or_none()
    return None if row is None else bytes(row.tree)


def get_published_outcome(connection: Connection, application_id: int) -> Row[Any]:
    """Return the published outcome of an application; raise ApplicationNotFound where there is none to be seen."""
    row = connection.execute(_RECEIPT, {"application": application_id}).one_or_none()
    if row is None:
        raise ApplicationNotFound("no published outcome of such an application")
    return row


def num_leaves(connection: Connection, plan_id: int) -> int:
    """Count the receipts of a plan."""
    query = text("SELECT leaves FROM round_receipts WHERE plan_id = :plan")
    return int(connection.execute(query, {"plan": plan_id}).scalar_one())


def hashes_at(connection: Connection, plan_id: int, places: Sequence[int]) -> Row[Any]:
    """Return the root of a published plan's tree, and its hashes at some places."""
    return connection.execute(_HASHES, {"plan": plan_id, "at": list(places)}).one()


def compare(connection: Connection, *, before: int, after: int) -> list[Row[Any]]:
    """Compare two plans of a round, by tier."""
    return list(connection.execute(_COMPARED, {"before": before, "after": after}))


def list_changes(connection: Connection, *, before: int, after: int, limit: int) -> list[Row[Any]]:
    """List applications with another facility, or none any more, or one at last."""
    return list(connection.execute(_CHANGES, {"before": before, "after": after, "limit": limit}))


def list_decisions(connection: Connection, round_id: int) -> list[Row[Any]]:
    """List what reviewers decided, the oldest first."""
    return list(connection.execute(_DECISIONS, {"round": round_id}))


def decisions_on(connection: Connection, application_id: int) -> list[Row[Any]]:
    """List what reviewers decided on one application."""
    return list(connection.execute(_DECISIONS_ON, {"application": application_id}))


def require_application(connection: Connection, application_id: int, *, of: int) -> None:
    """Raise ApplicationNotFound unless the application stands in the round."""
    if connection.execute(_APPLICATION, {"application": application_id, "round": of}).one_or_none() is None:
        raise ApplicationNotFound("no such application in this round")


def is_offered(connection: Connection, facility_id: int, *, by: int) -> bool:
    """Tell whether a round gives away the bays of a facility."""
    return connection.execute(_OFFERED, {"round": by, "facility": facility_id}).one_or_none() is not None


def add_decision(
    connection: Connection,
    round_id: int,
    *,
    application_id: int,
    facility_id: int | None,
    decision: str,
    note: str,
    decided_by: int | None,
    now: datetime,
) -> int:
    """Store a decision; return its id."""
    values = {"round": round_id, "application": application_id, "facility": facility_id, "decision": decision}
    return int(connection.execute(_ADD_DECISION, {**values, "note": note, "by": decided_by, "now": now}).scalar_one())


def remove_decision(connection: Connection, decision_id: int, *, of: int) -> int:
    """Take a decision back, and return the application that it was on; raise DecisionNotFound without one."""
    application_id = connection.scalar(_REMOVE_DECISION, {"decision": decision_id, "round": of})
    if application_id is None:
        raise DecisionNotFound("no such decision")
    return int(application_id)


def list_changed(connection: Connection, plan_id: int, *, limit_m: float) -> list[Row[Any]]:
    """
    List the applications that a plan serves and whose household has moved or has another car by now.

    Parameters
    ----------
    limit_m
        How far a household walks where neither it nor the round says.
    """
    with reading_whole_tables(connection):
        return list(connection.execute(_CHANGED, {"plan": plan_id, "limit_m": limit_m}))


def list_begins_after_permits(connection: Connection, plan_id: int, *, first: date, last: date) -> dict[int, date]:
    """
    Return which applications a plan serves although their households have permits or offers between two evenings.

    Each has the evening after the last of them.
    """
    with reading_whole_tables(connection):
        found = connection.execute(_BEGINS, {"plan": plan_id, "first": first, "last": last})
        return {row.application_id: row.begins for row in found}


def list_moved(connection: Connection, round_id: int) -> list[int]:
    """List the households that wait in a round and live elsewhere than they applied for."""
    return list(connection.scalars(_MOVED, {"round": round_id}))


def mark_published(
    connection: Connection, round_id: int, *, plan_id: int, report: Mapping[str, Any], now: datetime
) -> None:
    """Let a round be published with a plan."""
    said = json.dumps(dict(report), ensure_ascii=False)
    connection.execute(_PUBLISH, {"round": round_id, "plan": plan_id, "report": said, "now": now})


def find_report(connection: Connection, round_id: int) -> dict[str, Any] | None:
    """Return the public report of a round; None before it is published."""
    report: dict[str, Any] | None = connection.scalar(_REPORT, {"round": round_id})
    return report
