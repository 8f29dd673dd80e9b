"""Strikes: given once a late exit, in whatever order gates tell of them, and weighed again when one is lifted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from api.errors import TellsWhy
from api.gates.events import MENDED_WITHIN
from api.gates.lateness import LateExit, late_exits
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.overstays import strike_queries as queries
from api.overstays.consequences import Strike, keep_plate_off, strike_of, undo
from api.overstays.policy import DEFAULT, Offence, Policy, hardness, places_of, policy_from
from api.webhooks.service import tell_owner

LOOK_BACK = timedelta(days=4)
"""Gates that were cut off send what they saw within this."""
REVIEWED_WITHIN = timedelta(days=14)
"""So long do cars stand in the list that the gate's record has there for more than a day too long."""


class StrikeImpossible(TellsWhy):
    """The car of a night is none to be reviewed, stands there still, or was struck before; the message says which."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a facility is, and the rules that hold there."""

    neighbourhood_id: int
    timezone: str
    policy: Policy


def strike_late_leavers(connection: Connection, *, now: datetime, most: int | None = None) -> int:
    """
    Give a strike for every late exit that has none yet; return how many.

    Only cars that were seen to come and to go are struck, once the grace is over, and only where their plates were read
    exactly or assigned by a person. One that stands there still is told, and struck when it has left; more than a day
    late it is left to people, who find it in the list of late cars; see `strike_after_review`.

    Parameters
    ----------
    most
        So many strikes at most; the others when it is called again.
    """
    with rights_of_worker(connection):
        found = late_exits(connection, since=now - LOOK_BACK, until=now)
        late = [one for one in found if one.entry_seen and one.is_sure and not one.is_unclear(now)]
        places = read_places(connection, [one.facility_id for one in late])
        _tell_those_still_there(connection, late, places, now=now)
        over = [one for one in late if _is_over(one, places[one.facility_id].policy)]
        known = queries.struck_stays(connection, [one.stay_id for one in over])
        new = sorted(
            (one for one in over if one.stay_id not in known), key=lambda one: (one.household_id, one.leave_by)
        )
        return sum(_strike(connection, one, places[one.facility_id], now=now) is not None for one in new[:most])


def strike_after_review(connection: Connection, stay_id: int, *, account_id: int | None, now: datetime) -> Row[Any]:
    """
    Give the strike for a late exit of more than a day, which somebody has looked at, and return it.

    Parameters
    ----------
    account_id
        Who has; kept with the strike.

    Raises
    ------
    StrikeImpossible
        No such car is to be reviewed, what was seen of it is not certain, it has not left yet, or it was struck before.
    """
    with rights_of_worker(connection):
        found = late_exits(connection, since=now - REVIEWED_WITHIN, until=now)
        late = [one for one in found if one.stay_id == stay_id and one.is_unclear(now)]
        if not late:
            raise StrikeImpossible(f"no car of night {stay_id} is in a list of late cars to be reviewed")
        late = [one for one in late if one.entry_seen and one.is_sure]
        if not late:
            raise StrikeImpossible("nobody saw the car come, or its plate was not read exactly: assign it first")
        places = read_places(connection, [one.facility_id for one in late])
        over = [one for one in late if _is_over(one, places[one.facility_id].policy)]
        if not over:
            raise StrikeImpossible("by the gate's record the car stands there still; it can be struck when it has left")
        struck = _strike(connection, over[0], places[over[0].facility_id], by=account_id, now=now)
        if struck is None:
            raise StrikeImpossible(f"there is a strike for night {stay_id} already")
        return struck


def take_back_unfounded(connection: Connection, *, now: datetime) -> int:
    """
    Lift strikes of the last days that the gates' record bears out no more; return how many.

    A gate that was cut off may tell only now that the car left in time, or a person that another car was seen. Where
    the household has appealed a planner decides.
    """
    taken_back = 0
    with rights_of_worker(connection):
        since = now - MENDED_WITHIN
        rows = queries.list_unappealed(connection, since=since)
        late: dict[int, list[LateExit]] = defaultdict(list)
        for one in late_exits(connection, since=since, until=now, stay_ids=[row.stay_id for row in rows]):
            if one.entry_seen:
                late[one.stay_id].append(one)
        for row in rows:
            if not any(_is_borne_out(row, one) for one in late[row.stay_id]):
                taken_back += _take_back(connection, row.id, row.household_id, now=now)
    return taken_back


def _is_borne_out(struck: Row[Any], late: LateExit) -> bool:
    if late.left_at is None or late.late_until is None:
        return False  # by the record it stands there still: what was seen leaving was another car
    return late.late_until >= struck.late_until or _is_over(late, policy_from(struck.policy))


def _take_back(connection: Connection, strike_id: int, household_id: int, *, now: datetime) -> bool:
    queries.lock_household(connection, household_id)
    row = queries.find_strike(connection, strike_id)
    if row is None or row.state != "standing" or row.made_at is not None:
        return False  # somebody was faster
    strike = strike_of(row)
    effect = "undone" if strike.effect == "done" else strike.effect
    queries.change_strike(connection, strike.changed(state="lifted", effect=effect).columns())
    weigh(connection, household_id, now=now)
    facts = {
        "strike": row.id,
        "facility": row.facility_id,
        "decision": "lifted",
        "taken_back": "not_borne_out",
        "next_date": now.isoformat(),
    }
    notice = NewNotice(household_id=household_id, kind="appeal_decided", facts=facts, once=f"strike {row.id}")
    tell(connection, [notice], now=now)
    return True


def read_places(connection: Connection, facility_ids: Sequence[int]) -> dict[int, Place]:
    """Return zone and policy by facility."""
    return {
        key: Place(row.neighbourhood_id, row.timezone, policy_from(row.policy) if row.policy else DEFAULT)
        for key, row in queries.places_of(connection, facility_ids).items()
    }


def _is_over(late: LateExit, policy: Policy) -> bool:
    if late.left_at is None or late.late_until is None:
        return False
    return late.late_until > late.leave_by + policy.grace


def _tell_those_still_there(
    connection: Connection, late: Sequence[LateExit], places: dict[int, Place], *, now: datetime
) -> None:
    there = [
        one for one in late if one.late_until is None and now > one.leave_by + places[one.facility_id].policy.grace
    ]
    told = [
        NewNotice(
            household_id=one.household_id,
            kind="overstay",
            stay_id=one.stay_id,
            facts={
                "facility": one.facility_id,
                "leave_by": one.leave_by.isoformat(),
                "next_date": one.leave_by.isoformat(),
            },
        )
        for one in there
    ]
    tell(connection, told, now=now)
    for one in there:
        facts = {"stay": one.stay_id, "leave_by": one.leave_by.isoformat()}
        tell_owner(connection, one.facility_id, "overstay", facts, now=now)


def _strike(
    connection: Connection, late: LateExit, place: Place, *, by: int | None = None, now: datetime
) -> Row[Any] | None:
    """
    Strike one late exit, and weigh it beside the household's others.

    Returns None when it is struck already.
    """
    queries.lock_household(connection, late.household_id)
    policy = place.policy
    expires_at = late.leave_by + timedelta(days=policy.expires_days)
    others = [
        row
        for row in queries.list_of_household(connection, late.household_id)
        if row.neighbourhood_id == place.neighbourhood_id
    ]
    number = places_of([*map(_offence, others), Offence(late.stay_id, late.leave_by, expires_at)])[late.stay_id]
    rung = policy.rung(number)
    strike_id = queries.add_strike(
        connection,
        {
            "household_id": late.household_id,
            "facility_id": late.facility_id,
            "stay_id": late.stay_id,
            "leave_by": late.leave_by,
            "late_until": late.late_until,
            "struck_at": now,
            "expires_at": expires_at,
            "appeal_until": now + timedelta(days=policy.appeal_days),
            "place": number,
            "act": rung.act,
            "amount_cents": rung.amount_cents,
            "nights": rung.nights,
            "effective_at": now + timedelta(hours=policy.wait_h),
            "policy": policy.document(),
            "struck_by": by,
        },
    )
    if strike_id is None:
        return None
    weigh(connection, late.household_id, now=now)
    struck = queries.find_strike(connection, strike_id)
    if struck is not None:
        tell(connection, [_told(struck)], now=now)
    return struck


def weigh(connection: Connection, household_id: int, *, now: datetime) -> None:
    """
    Work out anew which strike of its household each one is, and what follows from it.

    Each counts until it expires, and is weighed by the rules that held when it was given. What was done and is now too
    hard is undone, and the milder consequence waits in its place; none is ever made harder than its household was told.
    The caller holds `lock_household`.
    """
    with rights_of_worker(connection):
        rows = queries.list_of_household(connection, household_id)
        for neighbourhood in {row.neighbourhood_id for row in rows}:
            _weigh_in(connection, [row for row in rows if row.neighbourhood_id == neighbourhood], now=now)


def _weigh_in(connection: Connection, rows: Sequence[Row[Any]], *, now: datetime) -> None:
    found = places_of([_offence(row) for row in rows])
    for row in rows:
        before = strike_of(row)
        after = _weighed(connection, before, found[row.stay_id], policy_from(row.policy), now=now)
        is_open = any(_is_appealed(other) and rests_on(row, other) for other in rows)
        if after.act == "end" and after.effect == "waiting" and not after.did and after.place and not is_open:
            after = keep_plate_off(connection, after, row, now=now)
        if after != before:
            queries.change_strike(connection, after.columns())


def _offence(row: Row[Any]) -> Offence:
    return Offence(row.stay_id, row.leave_by, row.expires_at, lifted=row.state == "lifted")


def rests_on(strike: Row[Any], other: Row[Any]) -> bool:
    """Whether a standing strike counts another one: itself, or one for an earlier night in the same neighbourhood."""
    is_before = other.leave_by <= strike.leave_by and other.neighbourhood_id == strike.neighbourhood_id
    return bool(strike.state == other.state == "standing" and is_before)


def _is_appealed(row: Row[Any]) -> bool:
    return row.made_at is not None and row.decision is None


def _weighed(connection: Connection, strike: Strike, place: int, policy: Policy, *, now: datetime) -> Strike:
    if not place:
        return undo(connection, strike, now=now).changed(place=0, effect="undone")
    if place >= strike.place:
        return strike  # a late exit that was told of later was not counted when its household was told of this one
    rung = policy.rung(place)
    stands = hardness(strike.act, amount_cents=strike.amount_cents, nights=strike.nights)
    if hardness(rung.act, amount_cents=rung.amount_cents, nights=rung.nights) >= stands:
        return strike.changed(place=place)
    undone = undo(connection, strike, now=now)
    soonest = max(strike.effective_at, now) if strike.effect == "done" else strike.effective_at
    return undone.changed(
        place=place,
        act=rung.act,
        amount_cents=rung.amount_cents,
        nights=rung.nights,
        effect="waiting",
        effective_at=soonest,
    )


def _told(struck: Row[Any]) -> NewNotice:
    facts = {
        "strike": struck.id,
        "facility": struck.facility_id,
        "place": struck.place,
        "act": struck.act,
        "late_min": int((struck.late_until - struck.leave_by) / timedelta(minutes=1)),
        "leave_by": struck.leave_by.isoformat(),
        "amount_cents": struck.amount_cents,
        "nights": struck.nights,
        "appeal_until": struck.appeal_until.isoformat(),
        "next_date": struck.effective_at.isoformat(),
    }
    known = {name: value for name, value in facts.items() if value is not None}
    return NewNotice(household_id=struck.household_id, kind="strike", stay_id=struck.stay_id, facts=known)
