"""Taking capacity back: for good, for a while, or some bays, after a notice or at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.accounts.principal import Principal
from api.facilities import supply_queries, withdrawal_queries
from api.facilities.availability import instant_of
from api.facilities.consequences import Change, Outcome, carry_out, lock_supply
from api.facilities.drafting import require_control
from api.facilities.errors import ImpossibleChange, SupplyConflict
from api.facilities.queries import FacilityNotFound
from api.facilities.storing import load_offer
from api.neighbourhoods.loading import PUBLISHED
from api.neighbourhoods.supply_rows import num_bays

FOREVER = datetime(2199, 12, 31)  # noqa: DTZ001 -- local, as every closure is
"""End of the closure of a facility that leaves for good, in local time."""
_NOON = time(12)
"""When a planned change begins where nobody says: no night is cut."""
_FIRST_YEAR, _LAST_YEAR = 2000, 2198
_ACTS = {"facility": "withdrawn", "closure": "closed", "bays": "reduced"}


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """
    What is to be taken back; times without a zone are local.

    `kind` is `facility` (all of it, for good), `closure` (all of it, until `end`) or `bays` (all but `bays` bays of
    `bay_group`, for good).
    """

    kind: str
    urgency: str
    reason: str
    start: datetime | None = None
    end: datetime | None = None
    bay_group: str | None = None
    bays: int | None = None


def withdraw(
    connection: Connection,
    facility_id: int,
    wanted: Withdrawal,
    *,
    principal: Principal,
    token: str | None,
    now: datetime,
) -> Outcome:
    """
    Tell whom a withdrawal hits, or make it where the token is the one that was told.

    Bays that are taken back are not sold any more from now on, a facility or a closure from its beginning on; stays
    that end before the beginning are kept, the others are cancelled with a notice.

    Raises
    ------
    FacilityNotFound, NotAllowed
        There is no such facility; it is somebody else's.
    SupplyConflict
        It has been withdrawn already.
    ImpossibleChange
        Too short a notice, an unknown bay group, an end before the beginning.
    """
    lock_supply(connection, facility_id)
    facility = supply_queries.find_facility(connection, facility_id)
    if facility is None:
        raise FacilityNotFound("no such facility")
    require_control(principal, owner_id=facility.owner_id)
    if facility.status != PUBLISHED:
        raise SupplyConflict("the facility has been withdrawn already")
    now = now.replace(second=0, microsecond=0)
    zone = ZoneInfo(facility.timezone)
    start = _start(wanted, facility, local_now=now.astimezone(zone).replace(tzinfo=None))
    end = _end(wanted, start=start, now=now, zone=zone)
    change = Change(
        facility_id=facility_id,
        version=facility.version,
        becomes=supply_queries.next_version(connection, facility_id),
        words=_words(wanted, zone=zone),
        after=max(now, instant_of(start, zone)),
        urgency=wanted.urgency,
        reason=wanted.reason,
        shut_until=None if end is None else instant_of(end, zone),
    )
    before = load_offer(connection, facility).document()
    make = _maker(connection, facility, wanted, start=start, end=end, now=now, zone=zone)
    outcome = carry_out(connection, change, make, principal=principal, token=token, now=now)
    if outcome.done:
        _note(connection, facility, wanted, principal=principal, before=before, version=change.becomes)
    return outcome


def finish_withdrawals(connection: Connection, *, now: datetime) -> list[int]:
    """Take facilities off the list whose closure for good has begun; a job runs it every day. Return their ids."""
    return withdrawal_queries.withdraw_those_due(connection, forever=FOREVER, now=now)


def _start(wanted: Withdrawal, facility: Row[Any], *, local_now: datetime) -> datetime:
    """Return when a withdrawal begins, in local time."""
    zone = ZoneInfo(facility.timezone)
    given = None if wanted.start is None else _local(wanted.start, zone)
    earliest = local_now.date() + timedelta(days=facility.notice_days)
    if wanted.urgency == "emergency":
        if given is not None and given.date() < local_now.date():
            raise ImpossibleChange("`from` has passed; without it an emergency begins now")
        if given is not None and given.date() > local_now.date() and given.date() >= earliest:
            raise ImpossibleChange(
                f"what begins on {given.date().isoformat()} is no emergency: the notice period of "
                f"{facility.notice_days} days is over by then, so make it `planned`"
            )
        return given or local_now
    if given is not None and given.date() < earliest:
        raise ImpossibleChange(
            f"the notice period is {facility.notice_days} days, so `from` must be {earliest.isoformat()} or later; "
            "an emergency needs no notice"
        )
    return given or datetime.combine(earliest, _NOON)


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ImpossibleChange(f"years lie between {_FIRST_YEAR} and {_LAST_YEAR}")
    local = moment if moment.tzinfo is None else moment.astimezone(zone).replace(tzinfo=None)
    return local.replace(second=0, microsecond=0)


def _words(wanted: Withdrawal, *, zone: ZoneInfo) -> dict[str, Any]:
    """Return what was asked for, without what changes from minute to minute."""
    times = {"from": wanted.start, "to": wanted.end}
    return {
        "kind": wanted.kind,
        **{name: _local(moment, zone).isoformat() for name, moment in times.items() if moment is not None},
        **({} if wanted.bay_group is None else {"bay_group": wanted.bay_group, "bays": wanted.bays}),
    }


def _maker(
    connection: Connection,
    facility: Row[Any],
    wanted: Withdrawal,
    *,
    start: datetime,
    end: datetime | None,
    now: datetime,
    zone: ZoneInfo,
) -> Callable[[], None]:
    """Return what makes the change, once it is known to make sense."""
    key = int(facility.id)
    if end is None:
        group_id = _shrinking_group(connection, facility, wanted)
        return lambda: withdrawal_queries.limit_bays(connection, group_id, wanted.bays or 0)
    if wanted.kind == "facility" and instant_of(start, zone) <= now:
        return lambda: withdrawal_queries.set_status(connection, key, "withdrawn")
    return lambda: withdrawal_queries.close_facility(
        connection, key, closed_from=start, closed_to=end, reason=wanted.reason
    )


def _shrinking_group(connection: Connection, facility: Row[Any], wanted: Withdrawal) -> int:
    groups = {group.id: group for group in load_offer(connection, facility).facility.bay_groups}
    group = groups.get(wanted.bay_group or "")
    if group is None:
        raise ImpossibleChange("the facility has no bay group of this id")
    if wanted.bays is None or wanted.bays >= num_bays(group):
        raise ImpossibleChange(f"the bay group opens {num_bays(group)} bays: `bays` must be fewer")
    return supply_queries.group_ids_of(connection, facility.id)[group.id]


def _end(wanted: Withdrawal, *, start: datetime, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return until when nothing is open, in local time; None where only some bays are taken back."""
    if wanted.kind != "closure":
        return FOREVER if wanted.kind == "facility" else None
    end = None if wanted.end is None else _local(wanted.end, zone)
    if end is None or end <= start or instant_of(end, zone) <= now:
        raise ImpossibleChange("`to` must lie after `from`, and after now")
    return end


def _note(
    connection: Connection,
    facility: Row[Any],
    wanted: Withdrawal,
    *,
    principal: Principal,
    before: dict[str, Any],
    version: int,
) -> None:
    withdrawal_queries.set_version(connection, facility.id, version)
    changed = supply_queries.find_facility(connection, facility.id)
    supply_queries.add_history(
        connection,
        facility_id=facility.id,
        neighbourhood_id=facility.neighbourhood_id,
        owner_id=facility.owner_id,
        version=version,
        act=_ACTS[wanted.kind],
        changed_by=principal.account_id,
        reason=wanted.reason,
        before=before,
        after=None if changed is None else load_offer(connection, changed).document(),
    )
