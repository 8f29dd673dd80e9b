"""The waitlist as it is shown: to a household its own place, to planners how long it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row

from api.finding.walking import walk_min
from api.waitlist import queries
from api.waitlist.calibration import Calibration
from api.waitlist.service import Position, position_of

_MOST_PASSES = 20


class PlaceOut(BaseModel):
    """A bay group that would do, and how many are before the household."""

    facility: int
    name: str
    bay_group: str
    walk_m: int
    walk_min: int
    position: int
    waiting: int


class EstimateOut(BaseModel):
    """When the household is likely to be reached: half of its kind by one date, nine in ten by the other."""

    made_at: datetime
    half_by: date | None
    most_by: date | None
    not_before: date | None = Field(description="Where the record is too thin for more; `why` says so")
    why: str | None


class PassedOut(BaseModel):
    """A bay went to somebody further back, since on `night` there was none for this household's nights."""

    at: datetime
    facility: int
    night: date | None = Field(description="Null where hours or height of the place do not suit any more")


class EntryOut(BaseModel):
    """Where a household stands on the waitlist of a round."""

    id: int
    round: int
    round_name: str
    state: Literal["waiting", "offered", "served", "left"]
    tier: int
    rounds_waited: int
    joined_at: datetime
    reached_at: datetime | None
    ended_at: datetime | None
    places: list[PlaceOut] = Field(description="While the household waits, the nearest first")
    estimate: EstimateOut | None
    next_date: date = Field(description="When something is likely to happen: the estimate's, or the end of the term")
    passed_over: list[PassedOut]


class QueueOut(BaseModel):
    """How many wait for a bay group, and what became of the others."""

    round: int
    facility: int
    name: str
    bay_group: str
    waiting: int
    offered: int
    served: int
    left: int
    releases: int = Field(description="Bays that came free for the list so far")


class CalibrationOut(BaseModel):
    """Shares are null while no wait has been watched long enough."""

    estimates: int = Field(description="Pairs of dates told")
    censored: int = Field(description="Waits that ended otherwise, or go on, before their second date")
    reached_by_p50: float | None = Field(description="Share reached by the first date; 0.5 is right")
    reached_by_p90: float | None = Field(description="Share reached by the second date; 0.9 is right")
    median_width_days: float | None = Field(description="Days between the two dates")


def calibration_out(found: Calibration) -> CalibrationOut:
    """Show how right told dates were."""
    return CalibrationOut(
        estimates=found.estimates,
        censored=found.censored,
        reached_by_p50=found.reached_by_p50,
        reached_by_p90=found.reached_by_p90,
        median_width_days=found.median_width_days,
    )


def shown_entry(connection: Connection, row: Row[Any]) -> EntryOut:
    """Show an entry with its position at each place and the last times it was passed over."""
    passes = queries.list_passes(connection, row.id, most=_MOST_PASSES)
    return entry_out(row, position_of(connection, row.id), passes)


def entry_out(row: Row[Any], positions: Sequence[Position], passes: Sequence[Row[Any]]) -> EntryOut:
    """Show an entry."""
    return EntryOut(
        id=row.id,
        round=row.round_id,
        round_name=row.round_name,
        state=row.state,
        tier=row.tier,
        rounds_waited=row.rounds_waited,
        joined_at=row.joined_at,
        reached_at=row.reached_at,
        ended_at=row.ended_at,
        places=[_place(position) for position in positions],
        estimate=_estimate(row),
        next_date=row.half_by or row.not_before or row.last,
        passed_over=[PassedOut(at=one.passed_at, facility=one.facility_id, night=one.night) for one in passes],
    )


def queue_out(row: Row[Any]) -> QueueOut:
    """Show a queue."""
    return QueueOut(
        round=row.round_id,
        facility=row.facility_id,
        name=row.name,
        bay_group=row.bay_group,
        waiting=row.waiting,
        offered=row.offered,
        served=row.served,
        left=row.gone,
        releases=row.releases,
    )


def _place(position: Position) -> PlaceOut:
    return PlaceOut(
        facility=position.facility_id,
        name=position.name,
        bay_group=position.bay_group,
        walk_m=position.walk_m,
        walk_min=walk_min(position.walk_m),
        position=position.position,
        waiting=position.waiting,
    )


def _estimate(row: Row[Any]) -> EstimateOut | None:
    if row.made_at is None:
        return None
    return EstimateOut(
        made_at=row.made_at, half_by=row.half_by, most_by=row.most_by, not_before=row.not_before, why=row.why
    )
