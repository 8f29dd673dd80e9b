"""Buffers: estimated every day from the gates' record, proposed to the owner, changed where that was asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.accounts.principal import ANONYMOUS, Principal
from api.facilities import supply_queries
from api.facilities.consequences import Change, carry_out, lock_supply
from api.facilities.errors import SupplyConflict
from api.facilities.queries import FacilityNotFound
from api.facilities.storing import load_offer
from api.gates.lateness import LateExit, late_exits
from api.openings.permit_queries import rights_of_worker
from api.overstays import buffer_queries as queries
from api.overstays.buffering import STEPS_MIN, late_law, size_buffer
from api.permits.ledger import LedgerShort, fill_ledger
from api.waitlist.following import follow

Applied = Literal["applied", "proposed", "at_term_change"]
MORNING_LASTS = timedelta(minutes=max(STEPS_MIN))
_LOOK_BACK = timedelta(days=4)
"""Gates send what they saw late: mornings are counted anew for so long."""
_RECORD_DAYS = 365


def record_mornings(connection: Connection, *, now: datetime) -> int:
    """Count the mornings of the last days that are over, from what gates saw; return how many."""
    since, until = now - _LOOK_BACK, now - MORNING_LASTS
    seen = [found for found in late_exits(connection, since=since, until=until) if found.entry_seen]
    late = {
        found.stay_id: found for found in sorted(seen, key=_stood)
    }  # of two cars of a stay the one that stood longest
    with rights_of_worker(connection):
        mornings = queries.list_mornings_seen(connection, since=since, until=until)
        rows = [_morning(connection, row, late) for row in mornings]
        queries.put_mornings(connection, rows)
    return len(rows)


def _stood(late: LateExit) -> timedelta:
    return MORNING_LASTS if late.late_until is None else late.late_until - late.leave_by


def _morning(connection: Connection, seen: Row[Any], late: dict[int, LateExit]) -> dict[str, Any]:
    found = [late[stay] for stay in seen.stays if stay in late]
    times = [_stood(one) for one in found]
    return {
        "facility_id": seen.facility_id,
        "morning": seen.morning,
        "cars": len(seen.stays),
        "still": [sum(time > timedelta(minutes=step) for time in times) for step in STEPS_MIN],
        "late_cars": len(times),
        "late_min": int(sum(times, timedelta()) / timedelta(minutes=1)),
        "own_cars": queries.own_cars(connection, seen.facility_id, leave_by=seen.leave_by)
        if seen.gate_sees_all
        else None,
    }


def due_facilities(connection: Connection, *, now: datetime) -> list[int]:
    """List the facilities whose buffers have no estimate of today."""
    with rights_of_worker(connection):
        return [place.id for place in queries.list_due(connection, now=now)]


def size_due_buffers(connection: Connection, *, now: datetime, facility_id: int | None = None) -> dict[str, int]:
    """Estimate the buffers, or the one, that have no estimate of today; return how many, and how many were changed."""
    with rights_of_worker(connection):
        due = queries.list_due(connection, now=now, facility_id=facility_id)
        states = [size_one(connection, place, now=now) for place in due]
    return {"estimated": sum(state is not None for state in states), "changed": states.count("applied")}


def own_place(connection: Connection, facility_id: int, *, principal: Principal) -> Row[Any]:
    """Return a facility of the principal's own, any for a planner; raise FacilityNotFound without."""
    place = queries.find_place(connection, facility_id)
    if place is None or not (principal.is_planner or place.owner_id in principal.owner_ids):
        raise FacilityNotFound("not one's own")
    return place


def apply_proposal(connection: Connection, facility_id: int, *, principal: Principal, now: datetime) -> None:
    """
    Make the newest estimate the buffer.

    Raises
    ------
    FacilityNotFound
        When there is none that is the principal's own.
    SupplyConflict
        There is no proposal, or somebody would lose a bay by it.
    """
    own_place(connection, facility_id, principal=principal)
    newest = next(iter(queries.list_estimates(connection, facility_id, limit=1)), None)
    if newest is None or newest.state in ("kept", "applied"):
        raise SupplyConflict("no change of the buffer is proposed")
    done = apply_buffer(connection, facility_id, newest.buffer_bays, principal=principal, now=now)
    if done == "at_term_change":
        raise SupplyConflict("permits hold more bays than would be left: it can be raised when their term ends")
    if done == "proposed":
        raise SupplyConflict("stays would lose their bay: take bays back with a notice instead")
    queries.mark_applied(connection, newest.id, now=now)


def size_one(connection: Connection, place: Row[Any], *, now: datetime) -> str | None:
    """Estimate the buffer of a facility, given as `queries.find_place` has it; None where the record is too thin."""
    day = now.astimezone(ZoneInfo(place.timezone)).date()
    own, pool, own_cars = queries.read_record(
        connection,
        place.id,
        neighbourhood_id=place.neighbourhood_id,
        since=day - timedelta(days=_RECORD_DAYS),
        until=day,
    )
    step = max(k for k, minutes in enumerate(STEPS_MIN) if minutes <= place.owner_from_min)
    law = late_law(own, pool, step=step)
    if law is None or not place.bays:
        return None
    sizing = size_buffer(
        law,
        bays=place.bays,
        confidence=place.confidence,
        own_cars=own_cars if place.gate_sees_all else None,
        places=place.places or place.bays,
    )
    state: str = "kept"
    if sizing.buffer_bays != place.buffer_bays:
        state = "proposed"
        if place.automatic:
            state = apply_buffer(connection, place.id, sizing.buffer_bays, principal=ANONYMOUS, now=now)
    queries.add_estimate(
        connection,
        {
            "facility_id": place.id,
            "day": day,
            "made_at": now,
            "confidence": place.confidence,
            "basis": sizing.basis,
            "mornings": len(own.cars),
            "cars": own.num_cars,
            "late_share": law.share,
            "pool_cars": pool.num_cars,
            "pool_late_share": float(pool.still[:, step].sum() / max(pool.num_cars, 1)),
            "pool_weight": law.pool_weight,
            "bays": place.bays,
            "buffer_before": place.buffer_bays,
            "buffer_bays": sizing.buffer_bays,
            "state": state,
            "applied_at": now if state == "applied" else None,
        },
    )
    return state


def apply_buffer(
    connection: Connection, facility_id: int, bays: int, *, principal: Principal, now: datetime
) -> Applied:
    """
    Keep so many bays back from now on, if nobody loses a bay by it.

    Returns
    -------
    str
        `applied`; `proposed` where stays would lose their bay; `at_term_change` where permits hold more bays than would
        be left: nobody is put out within a term. Nothing is changed by the last two.
    """
    lock_supply(connection, facility_id)
    facility = supply_queries.find_facility(connection, facility_id)
    if facility is None:
        raise FacilityNotFound("no such facility")
    version = supply_queries.next_version(connection, facility_id)
    before = load_offer(connection, facility).document()
    savepoint = connection.begin_nested()
    try:
        outcome = carry_out(
            connection,
            Change(
                facility_id=facility_id,
                version=facility.version,
                becomes=version,
                words={"kind": "edit", "buffer_bays": bays},
                after=now,
                urgency="planned",
                reason=_REASON,
            ),
            lambda: queries.set_buffer(connection, facility_id, bays=bays, version=version),
            principal=principal,
            token="",
            now=now,
        )
        if not outcome.done:
            savepoint.rollback()
            return "proposed"
        _fill(connection, facility, now=now)
    except LedgerShort:
        savepoint.rollback()
        return "at_term_change"
    savepoint.commit()
    if bays < int(before["properties"].get("buffer_bays") or 0):
        follow(connection, queries.group_ids(connection, facility_id), now=now)
    _note(connection, facility, version=version, before=before, principal=principal)
    return "applied"


_REASON = "buffer sized from what the gate saw"


def _fill(connection: Connection, facility: Row[Any], *, now: datetime) -> None:
    """Write the ledger anew from today to the last night that it knows."""
    today = now.astimezone(ZoneInfo(facility.timezone)).date()
    last = queries.last_ledger_night(connection, facility.id)
    if last is not None and last >= today:
        fill_ledger(connection, [facility.id], first=today, last=last)


def _note(
    connection: Connection, facility: Row[Any], *, version: int, before: dict[str, Any], principal: Principal
) -> None:
    changed = supply_queries.find_facility(connection, facility.id)
    supply_queries.add_history(
        connection,
        facility_id=facility.id,
        neighbourhood_id=facility.neighbourhood_id,
        owner_id=facility.owner_id,
        version=version,
        act="published",
        changed_by=principal.account_id,
        reason=_REASON,
        before=before,
        after=None if changed is None else load_offer(connection, changed).document(),
    )
