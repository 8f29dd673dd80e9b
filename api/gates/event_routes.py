"""Entries and exits of a gate, what they come to, and those whose car somebody has to name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import Connection

from api.accounts.dependencies import Gate, SignedIn, Transaction, keys_of
from api.accounts.principal import Principal
from api.accounts.residents import ActingResident
from api.cursors import cursor_of, id_before
from api.facilities.availability import instant_of
from api.gates import event_queries, events
from api.gates.entitled import get_device, place_of_gate_or_owner, place_of_owner
from api.gates.event_schemas import (
    CarIn,
    GateEventsIn,
    GateEventsOut,
    GateSessionOut,
    GateSessionPage,
    Match,
    UnclearEvents,
    answer_out,
    gate_session_out,
    seen_event,
    unclear_event_out,
)
from api.problems import BadRange

router = APIRouter(prefix="/v1", tags=["gates"])
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
_FIRST_YEAR, _LAST_YEAR = 2000, 2199
_MOST_AT_ONCE = timedelta(days=31)
_LIST = "gate-sessions"


@router.post("/gate-events", summary="Send entries and exits")
def post_events(request: Request, transaction: Transaction, gate: Gate, wanted: GateEventsIn) -> GateEventsOut:
    """
    Take what the gate saw, up to 500 events, in any order.

    Each event has the device's own id: the same one again is answered the same and counts once. Each is answered for
    itself: one that is refused does not keep the others from being taken.
    """
    device = get_device(transaction, kind="gate")
    place = place_of_gate_or_owner(transaction, gate, device.facility_id)
    zone = ZoneInfo(place.timezone)
    answers = events.record_events(
        transaction,
        keys_of(request),
        device.facility_id,
        [seen_event(event, zone) for event in wanted.events],
        source="gate",
        device_id=device.id,
        now=datetime.now(UTC),
    )
    return GateEventsOut(events=[answer_out(answer) for answer in answers])


@router.get("/facilities/{facility}/gate-events/unclear", summary="Events whose car is not known")
def get_unclear_events(
    request: Request,
    *,
    response: Response,
    transaction: Transaction,
    principal: SignedIn,
    facility: Id,
    before: Annotated[int, Query(ge=1, le=2**63 - 1)] = 2**63 - 1,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    match: Annotated[
        Match, Query(description="Or those whose car was found otherwise, of two weeks: so long it can be changed")
    ] = Match.unknown,
) -> UnclearEvents:
    """
    List plates that were read wrong and fit none or several of the cars that were expected, the newest first.

    Or those that were corrected by the rule, assigned or dismissed: whoever sees a mistake names the car, or dismisses
    the event.
    """
    place_of_owner(transaction, principal, facility)
    keys = keys_of(request)
    since = datetime.now(UTC) - events.MENDED_WITHIN
    rows = event_queries.list_to_review(transaction, facility, match=match, since=since, before=before, limit=limit)
    unclear = [unclear_event_out(keys, row) for row in rows]
    response.headers["Cache-Control"] = "no-store"
    return UnclearEvents(events=unclear, next=unclear[-1].id if len(unclear) == limit else None)


@router.post("/gate-events/{gate_event}/car", summary="Name the car", status_code=204, response_class=Response)
def post_car(request: Request, transaction: Transaction, principal: SignedIn, gate_event: Id, car: CarIn) -> None:
    """
    Say whose plate was read wrong; the gate sessions follow at once.

    For two weeks also where the rule or a person has said otherwise before: strikes that the record bears out no more
    are taken back.
    """
    _require_own_event(transaction, principal, gate_event)
    account = principal.account_id
    events.assign_event(
        transaction, keys_of(request), gate_event, plate=car.plate, account_id=account, now=datetime.now(UTC)
    )


@router.post(
    "/gate-events/{gate_event}/dismissal", summary="Dismiss an event", status_code=204, response_class=Response
)
def post_dismissal(transaction: Transaction, principal: SignedIn, gate_event: Id) -> None:
    """
    Say that an event is of no car that matters here; what was read is forgotten for good.

    For two weeks also where the rule or a person has found a car before.
    """
    _require_own_event(transaction, principal, gate_event)
    events.dismiss_event(transaction, gate_event, account_id=principal.account_id, now=datetime.now(UTC))


@router.get("/facilities/{facility}/gate-sessions", summary="What the gate saw")
def get_gate_sessions_at(
    transaction: Transaction,
    principal: SignedIn,
    facility: Id,
    start: Annotated[
        datetime | None,
        Query(alias="from", description="Instant with offset, or local time; a day ago without"),
    ] = None,
    end: Annotated[
        datetime | None, Query(alias="to", description="As `from`, at most 31 days later; now without")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
) -> list[GateSessionOut]:
    """List who came and went during a time, by bay and without plates, in the order they came."""
    place = place_of_owner(transaction, principal, facility)
    zone, now = ZoneInfo(place.timezone), datetime.now(UTC)
    until = now if end is None else _instant(end, zone)
    since = until - timedelta(days=1) if start is None else _instant(start, zone)
    if not timedelta(0) < until - since <= _MOST_AT_ONCE:
        raise BadRange("`to` must lie after `from`, at most 31 days.")
    rows = event_queries.list_gate_sessions(transaction, facility, since=since, until=until, limit=limit)
    return [gate_session_out(row) for row in rows]


@router.get("/gate-sessions", summary="When gates saw one's car")
def get_gate_sessions(
    transaction: Transaction,
    resident: ActingResident,
    cursor: Annotated[str | None, Query(max_length=60, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> GateSessionPage:
    """List what gates saw during the household's own stays, the newest first."""
    before = id_before(cursor, of=_LIST)
    rows = event_queries.list_gate_sessions_of(transaction, resident.household_id, before=before, limit=limit + 1)
    more = cursor_of(rows[limit - 1].id, of=_LIST) if len(rows) > limit else None
    return GateSessionPage(gate_sessions=[gate_session_out(row) for row in rows[:limit]], next=more)


def _require_own_event(connection: Connection, principal: Principal, event_id: int) -> None:
    event = event_queries.find_event(connection, event_id)
    if event is None:
        raise events.EventNotFound("no such event")
    place_of_owner(connection, principal, event.facility_id)


def _instant(moment: datetime, zone: ZoneInfo) -> datetime:
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise BadRange(f"Years lie between {_FIRST_YEAR} and {_LAST_YEAR}.")
    return instant_of(moment, zone) if moment.tzinfo is None else moment.astimezone(UTC)
