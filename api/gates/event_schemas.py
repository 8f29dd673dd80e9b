"""Entries and exits as they come in, and gate sessions as they are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field
from sqlalchemy import Row

from api.accounts.keys import Keys
from api.accounts.schemas import NO_ZERO, Incoming
from api.facilities.availability import instant_of
from api.gates.events import EventAnswer, SeenEvent
from api.vehicles.plates import open_plate

MOST_EVENTS = 500
Direction = Literal["entry", "exit"]
_FIRST_YEAR, _LAST_YEAR = 1971, 2199
_WHY = {
    "from_the_future": "The event lies more than five minutes ahead: set the device's clock, then send it again.",
    "too_old": "Movements are kept for ninety days; this one is older.",
    "other_content": "An event of this id came before with another content; the first one stands.",
}


class GateEventIn(Incoming):
    """A car seen coming or going."""

    id: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_ZERO, description="The device's own, once ever")]
    direction: Direction
    at: datetime = Field(description="By the device's clock: an instant with offset, or local time")
    plate: Annotated[str, Field(max_length=40, pattern=NO_ZERO, description="As read; empty where nothing was")] = ""
    confidence: Annotated[float | None, Field(ge=0, le=1)] = None


class GateEventsIn(Incoming):
    """Events of one device, in any order."""

    events: Annotated[list[GateEventIn], Field(min_length=1, max_length=MOST_EVENTS)]


class GateEventAnswer(BaseModel):
    """What became of an event; the same event again is answered the same."""

    id: str
    outcome: Literal["accepted", "refused"]
    reason: Literal["from_the_future", "too_old", "other_content"] | None
    detail: str | None


class GateEventsOut(BaseModel):
    """The answers, in the order of the events."""

    events: list[GateEventAnswer]


class Match(StrEnum):
    """How the car of an event that is not certain was found: `unknown` waits for somebody to name it."""

    unknown = "unknown"
    corrected = "corrected"
    assigned = "assigned"
    dismissed = "dismissed"


class UnclearEventOut(BaseModel):
    """An event whose car is not known, or was not read exactly."""

    id: int
    device: str | None
    direction: Direction
    at: datetime
    read: str = Field(description="The plate as it was read; empty where nothing was")
    confidence: float | None
    match: Match = Field(description="`corrected` by the rule, `assigned` or `dismissed` by a person")
    plate: str | None = Field(description="The plate it is taken for; null where none is")


class UnclearEvents(BaseModel):
    """Events that wait for a person's word, the newest first; ask for those `before` the last one."""

    events: list[UnclearEventOut]
    next: int | None = Field(description="For `before`; null at the end")


class CarIn(Incoming):
    """The car that was seen."""

    plate: Annotated[str, Field(min_length=2, max_length=20, pattern=NO_ZERO, examples=["沪A8K123"])]


class GateSessionOut(BaseModel):
    """A car's time at a facility, as the gate saw it; without its plate."""

    id: int
    facility: int
    name: str
    entered_at: datetime | None = Field(description="Null where nobody saw it come")
    left_at: datetime | None = Field(description="Null where nobody saw it leave")
    entered_local: datetime | None
    left_local: datetime | None
    state: Literal["open", "closed", "no_entry", "no_exit"]
    stay: int | None = Field(description="The stay it came for")
    bay: str | None


class GateSessionPage(BaseModel):
    """Gate sessions of a household, the newest first."""

    gate_sessions: list[GateSessionOut]
    next: str | None = Field(description="Cursor of the next page; null at the end")


def seen_event(event: GateEventIn, zone: ZoneInfo) -> SeenEvent:
    """Read an event; a time without offset is the facility's local one."""
    at = event.at
    if (
        not _FIRST_YEAR <= at.year <= _LAST_YEAR
    ):  # so that it is refused, and not misunderstood, wherever it is converted
        at = datetime(_FIRST_YEAR if at.year < _FIRST_YEAR else _LAST_YEAR, 1, 1, tzinfo=UTC)
    moment = instant_of(at, zone) if at.tzinfo is None else at.astimezone(UTC)
    return SeenEvent(event.id, event.direction, moment, event.plate, event.confidence)


def answer_out(answer: EventAnswer) -> GateEventAnswer:
    """Show what became of an event."""
    return GateEventAnswer(
        id=answer.name,
        outcome="accepted" if answer.refused is None else "refused",
        reason=answer.refused,
        detail=None if answer.refused is None else _WHY[answer.refused],
    )


def unclear_event_out(keys: Keys, row: Row[Any]) -> UnclearEventOut:
    """Show an event whose car is not known, or was not read exactly."""
    return UnclearEventOut(
        id=row.id,
        device=row.device,
        direction=row.direction,
        at=row.happened_at,
        read="" if row.read_sealed is None else open_plate(keys, bytes(row.read_sealed)),
        confidence=row.confidence,
        match=Match(row.match),
        plate=None if row.plate_sealed is None else open_plate(keys, bytes(row.plate_sealed)),
    )


def gate_session_out(row: Row[Any]) -> GateSessionOut:
    """Show a gate session."""
    zone = ZoneInfo(row.timezone)
    return GateSessionOut(
        id=row.id,
        facility=row.facility_id,
        name=row.name,
        entered_at=row.entered_at,
        left_at=row.left_at,
        entered_local=_local(row.entered_at, zone),
        left_local=_local(row.left_at, zone),
        state=row.state,
        stay=row.stay_id,
        bay=None if row.number is None else f"{row.bay_group} {row.number}",
    )


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if moment is None else moment.astimezone(zone).replace(tzinfo=None)
