"""Advice for one facility: its own bays, zone and calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy import Row as DatabaseRow

from api.accounts.principal import Principal
from api.calendars.clock import minute_of
from api.capacity.advising import Advice, Question, advise
from api.capacity.queries import find_place, list_own_visits
from api.capacity.records import read_records
from api.capacity.visits import Row, visits_of
from api.capacity.windows import parse_window
from api.facilities.queries import FacilityNotFound, calendar_overrides


def advise_facility(
    connection: Connection,
    facility_id: int,
    content: bytes,
    *,
    principal: Principal,
    bays: int | None,
    confidence: float,
    window: str,
    now: datetime,
) -> Advice:
    """
    Advise the owner of a facility, or a planner, from records that they send; nothing of them is kept.

    Without any, from the cars that the facility's own gate saw and that had no stay.

    Raises
    ------
    FacilityNotFound
        When there is none that is the principal's own.
    UnusableRecords
        When the records or the question cannot be used.
    """
    place = own_place(connection, facility_id, principal=principal)
    question = Question(
        bays=bays or place.bays,
        confidence=confidence,
        window=parse_window(window),
        country=place.country,
        overrides=calendar_overrides(connection, place.neighbourhood_id),
    )
    if content:
        return advise(read_records(content, timezone=place.timezone), question)
    return advise(visits_of(_own_rows(connection, facility_id, now=now)), question)


def _own_rows(connection: Connection, facility_id: int, *, now: datetime) -> Iterator[Row]:
    for seen in list_own_visits(connection, facility_id, now=now):
        entry_min, exit_min = (None if at is None else minute_of(at) for at in (seen.entered, seen.gone))
        yield Row(entry_min, exit_min)


def own_place(connection: Connection, facility_id: int, *, principal: Principal) -> DatabaseRow[Any]:
    """Return a facility of the principal's own, any for a planner; raise FacilityNotFound without."""
    place = find_place(connection, facility_id)
    if place is None or not (principal.is_planner or place.owner_id in principal.owner_ids):
        raise FacilityNotFound("not one's own")
    return place
