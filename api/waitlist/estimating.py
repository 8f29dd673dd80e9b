"""Dates for everybody who waits in a round: worked out together, stored where they changed, and told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, Row

from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.rounds.errors import RoundNotFound
from api.waitlist import date_queries as queries
from api.waitlist.calibration import Calibration, Outcome, Told, calibration
from api.waitlist.dates import Answer, Dates, NotBefore, Why, answers, is_news, look_ahead, no_dates, too_thin
from api.waitlist.lists import Floats
from api.waitlist.recalibrating import Levels, learn_levels
from api.waitlist.record import MEMORY, Standing, read_lists, read_record

_SAID = ("half_by", "most_by", "not_before", "why")


def estimate_dates(connection: Connection, *, round_id: int, now: datetime) -> int:
    """
    Work out dates for all who wait in a round, store those that are news, and tell their households.

    Equal lists and records give equal dates; asked again on the same day, nothing is stored twice.

    Returns
    -------
    int
        How many estimates were stored.

    Raises
    ------
    RoundNotFound
    """
    with rights_of_worker(connection):
        place = _get_round(connection, round_id)
        today = now.astimezone(ZoneInfo(place.timezone)).date()
        standing = read_lists(connection, place, now=now)
        if not len(standing.entry_ids) or today > place.last:
            return 0
        said, chance, levels = _look(connection, place, standing, today=today, now=now)
        before = queries.newest_estimates(connection, round_id, zone=place.timezone)
        told = [before.get(entry) for entry in standing.entry_ids.tolist()]
        news = [
            k
            for k, answer in enumerate(said)
            if is_news(
                _answer_of(told[k]),
                getattr(told[k], "made_on", None),
                answer,
                chance=float(chance[k]),
                need=levels.most,
                today=today,
            )
        ]
        _store(connection, standing, said, news, now=now)
        _tell(connection, standing, said, news, told, now=now)
    return len(news)


def _look(
    connection: Connection, place: Row[Any], standing: Standing, *, today: date, now: datetime
) -> tuple[list[Answer], Floats, Levels]:
    """Return an answer for every entry, its chance of being reached within the term, and the levels used."""
    record = read_record(connection, place, standing.facility_ids, now=now)
    why = too_thin(record)
    if why is not None:
        entries = len(standing.entry_ids)
        return no_dates(why, today=today, entries=entries), np.zeros(entries), Levels()
    told, outcomes = _past(queries.list_told(connection, place.neighbourhood_id, since=now - MEMORY))
    levels = learn_levels(told, outcomes, today=today)
    outlook = look_ahead(standing.lists, record, levels=levels, seed=place.id)
    return answers(standing.lists, outlook, today=today), outlook.chance[:, -1], levels


def _answer_of(row: Row[Any] | None) -> Answer | None:
    if row is None:
        return None
    if row.half_by is not None:
        return Dates(row.half_by, row.most_by)
    return NotBefore(row.not_before, Why(row.why))


def _store(
    connection: Connection, standing: Standing, said: Sequence[Answer], news: Sequence[int], *, now: datetime
) -> None:
    columns: dict[str, list[Any]] = {
        "entry": standing.entry_ids[news].tolist(),
        "position": standing.position[news].tolist(),
        **{
            field: [getattr(said[k], field, None) for k in news]
            for field in ("half_by", "most_by", "not_before", "why")
        },
    }
    if news:
        queries.add_estimates(connection, columns, now=now)


def _tell(
    connection: Connection,
    standing: Standing,
    said: Sequence[Answer],
    news: Sequence[int],
    told: Sequence[Row[Any] | None],
    *,
    now: datetime,
) -> None:
    """Tell households their dates, and why they have none any more; that there are none yet, joining told them."""
    notices = [
        NewNotice(
            household_id=int(standing.household_ids[k]),
            kind="date_changed",
            facts={"entry": int(standing.entry_ids[k]), **_facts(said[k])},
        )
        for k in news
        if isinstance(said[k], Dates) or isinstance(_answer_of(told[k]), Dates)
    ]
    tell(connection, notices, now=now)


def _facts(answer: Answer) -> dict[str, str]:
    if isinstance(answer, Dates):
        half_by, most_by = answer.half_by.isoformat(), answer.most_by.isoformat()
        return {"half_by": half_by, "most_by": most_by, "next_date": half_by}
    not_before = answer.not_before.isoformat()
    return {"not_before": not_before, "why": str(answer.why), "next_date": not_before}


def calibration_of(connection: Connection, *, round_id: int, now: datetime) -> Calibration:
    """Measure how right all dates were that were told in a round; raise RoundNotFound without one."""
    place = _get_round(connection, round_id)
    rows = queries.list_told(connection, place.neighbourhood_id, since=now - MEMORY, round_id=round_id)
    told, outcomes = _past(rows)
    return calibration(told, outcomes, now=now.astimezone(ZoneInfo(place.timezone)).date())


def calibration_of_neighbourhood(connection: Connection, neighbourhood_id: int, *, now: datetime) -> Calibration:
    """Measure how right all dates were that were told in a neighbourhood, over all its rounds of the last year."""
    told, outcomes = _past(queries.list_told(connection, neighbourhood_id, since=now - MEMORY))
    zone = ZoneInfo(queries.zone_of(connection, neighbourhood_id))
    return calibration(told, outcomes, now=now.astimezone(zone).date())


def _past(rows: Sequence[Row[Any]]) -> tuple[list[Told], list[Outcome]]:
    told = [Told(row.made_on, row.half_by, row.most_by) for row in rows]
    return told, [Outcome(row.reached, row.seen_until) for row in rows]


def _get_round(connection: Connection, round_id: int) -> Row[Any]:
    place = queries.find_round(connection, round_id)
    if place is None or place.published_at is None:
        raise RoundNotFound(f"no published round {round_id}")
    return place
