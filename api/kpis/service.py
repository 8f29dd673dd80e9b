"""
Figures of a scheme over a period, by the names planners use.

Shares are null where there is nothing to share. Service rate is served / asked; the parking gap is (D - S) / D with D
applicants and S those who held a permit before the round, or were served by its plan. Dates are measured over the last
year, whatever the period.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from api.gates.lateness import late_exits, no_shows
from api.kpis import queries
from api.planning.fairness import gini, jain
from api.waitlist.estimating import calibration_of_neighbourhood

Json = dict[str, Any]
_PLACES = 4
_HOURS = 24
_NEAR_M = (300, 500)


def season_kpis(connection: Connection, owner: int, *, zone: ZoneInfo, since: datetime, until: datetime) -> Json:
    """
    Count the figures of a neighbourhood from what happened in [since, until).

    Parameters
    ----------
    connection
        With a planner's rights.
    """
    answers = queries.list_answers(connection, owner, since=since, until=until)
    walks = np.array([row.walk_m for row in answers if row.walk_m is not None], dtype=np.int64)
    by_estate = _rates(answers, "estate")
    stays = queries.list_stays(connection, owner, since=since, until=until)
    openings = queries.list_openings(connection, owner, since=since, until=until)
    return {
        "applications": len(answers),
        "served": len(walks),
        "service_rate": share(len(walks), len(answers)),
        "by_tier": _rates(answers, "tier"),
        "by_estate": by_estate,
        "unserved": dict(sorted(Counter(row.reason for row in answers if row.reason is not None).items())),
        "walk_m": _walk_figures(walks),
        "utilisation_by_hour": _utilisation(stays, openings, zone=zone, since=since, until=until),
        "turnover": _turnover(stays, openings, since=since, until=until),
        "parking_gap": _parking_gap(answers),
        "fairness": {
            "walk_gini": gini(walks),
            "walk_jain": jain(walks),
            "service_rate_spread": _spread(by_estate),
        },
        "stability": _stability(answers),
        "dates": asdict(calibration_of_neighbourhood(connection, owner, now=until)),
        "waiting_days": _waiting(queries.list_waits(connection, owner, since=since, until=until)),
        "overstays": _overstays(connection, stays, since=since, until=until),
        "nights": _nights(connection, stays, since=since, until=until),
        "withdrawals": _withdrawals(queries.list_withdrawals(connection, owner, since=since, until=until)),
    }


def share(part: float, whole: float) -> float | None:
    """Return a part of a whole, rounded; None of nothing."""
    return round(part / whole, _PLACES) if whole else None


def _rates(answers: Sequence[Row[Any]], column: str) -> list[Json]:
    asked = Counter(getattr(row, column) for row in answers)
    served = Counter(getattr(row, column) for row in answers if row.walk_m is not None)
    return [
        {column: key, "applications": asked[key], "served": served[key], "service_rate": share(served[key], asked[key])}
        for key in sorted(asked, key=lambda key: (key is None, key))
    ]


def _spread(by_estate: Iterable[Json]) -> float | None:
    rates = [row["service_rate"] for row in by_estate if row["service_rate"] is not None]
    return round(max(rates) - min(rates), _PLACES) if rates else None


def _walk_figures(walks: NDArray[np.int64]) -> Json:
    near = {f"share_within_{limit}_m": share(int((walks <= limit).sum()), len(walks)) for limit in _NEAR_M}
    if not len(walks):
        return {"mean": None, "p95": None, "max": None, **near}
    p95 = np.sort(walks)[-(-95 * len(walks) // 100) - 1]  # nearest rank
    return {"mean": round(float(walks.mean()), 1), "p95": int(p95), "max": int(walks.max()), **near}


def _parking_gap(answers: Sequence[Row[Any]]) -> Json:
    held = sum(row.holds is not None for row in answers)
    served = sum(row.walk_m is not None for row in answers)
    return {"before": share(len(answers) - held, len(answers)), "after": share(len(answers) - served, len(answers))}


def _stability(answers: Sequence[Row[Any]]) -> Json:
    holders = [row for row in answers if row.holds is not None]
    kept = sum(row.facility_id == row.holds for row in holders)
    return {"holders": len(holders), "kept": kept, "unchanged": share(kept, len(holders))}


def _utilisation(
    stays: Sequence[Row[Any]], openings: Sequence[Row[Any]], *, zone: ZoneInfo, since: datetime, until: datetime
) -> list[Json]:
    """Occupied of shared bay-hours, by the hour of the local clock."""
    parked = [(stay.starts_at, stay.ends_at, 1) for stay in stays if stay.state == "confirmed"]
    occupied = bay_hours_by_hour(parked, zone=zone, since=since, until=until)
    offered = [(opening.starts_at, opening.ends_at, opening.bays) for opening in openings]
    shared = bay_hours_by_hour(offered, zone=zone, since=since, until=until)
    return [
        {
            "hour": f"{hour:02d}:00",
            "shared_bay_hours": round(float(shared[hour]), 1),
            "occupied_bay_hours": round(float(occupied[hour]), 1),
            "utilisation": share(float(occupied[hour]), float(shared[hour])),
        }
        for hour in range(_HOURS)
    ]


def bay_hours_by_hour(
    spans: Sequence[tuple[datetime, datetime, int]], *, zone: ZoneInfo, since: datetime, until: datetime
) -> NDArray[np.float64]:
    """
    Return bay-hours by hour of the local clock, (24,).

    Parameters
    ----------
    spans
        From when to when how many bays; what lies outside [since, until) is cut off.

    Notes
    -----
    The zone's offset at the beginning of the period holds for all of it: an hour's shift in some zones' summers moves
    figures by one hour at most.
    """
    offset_h = (since.astimezone(zone).utcoffset() or (until - until)).total_seconds() / 3600
    begin_h, end_h = since.timestamp() / 3600 + offset_h, until.timestamp() / 3600 + offset_h
    starts = np.clip([start.timestamp() / 3600 + offset_h for start, _, _ in spans], begin_h, end_h)
    ends = np.clip([end.timestamp() / 3600 + offset_h for _, end, _ in spans], begin_h, end_h)
    bays = np.array([number for _, _, number in spans], dtype=np.float64)
    # Bay-hours before x within hour h of every day: whole days, and what of the day x lies in.
    hours = np.arange(_HOURS)[:, None]

    def before(x: NDArray[np.float64]) -> NDArray[np.float64]:
        days, rest = np.divmod(x, _HOURS)
        upto: NDArray[np.float64] = days + np.clip(rest - hours, 0, 1)
        return upto

    total: NDArray[np.float64] = (before(ends) - before(starts)) @ bays if len(spans) else np.zeros(_HOURS)
    return total


def _turnover(
    stays: Sequence[Row[Any]], openings: Sequence[Row[Any]], *, since: datetime, until: datetime
) -> float | None:
    """Cars a shared bay and day; bays are counted as those shared on average at two o'clock in the morning's hour."""
    days = (until - since).total_seconds() / 86_400
    cars = sum(stay.state == "confirmed" and stay.starts_at >= since for stay in stays)
    bay_hours = sum(o.bays * (min(o.ends_at, until) - max(o.starts_at, since)).total_seconds() / 3600 for o in openings)
    nightly_h = 14.0  # an evening's six to a morning's eight
    return share(cars * nightly_h, bay_hours) if days and bay_hours else None


def _waiting(rows: Sequence[Row[Any]]) -> Json:
    waited = sorted((row.reached_at - row.joined_at).total_seconds() / 86_400 for row in rows if row.reached_at)
    return {
        "joined": len(rows),
        "reached": len(waited),
        "median": round(float(np.median(waited)), 1) if waited else None,
        "p90": round(float(np.quantile(waited, 0.9)), 1) if waited else None,
    }


def _overstays(connection: Connection, stays: Sequence[Row[Any]], *, since: datetime, until: datetime) -> Json:
    # Of two cars of one stay the one that stood longest is counted.
    found = sorted(late_exits(connection, since=since, until=until), key=lambda one: one.late_until or until)
    late = {exit_.stay_id: exit_ for exit_ in found}.values()
    minutes = [(exit_.late_until - exit_.leave_by).total_seconds() / 60 for exit_ in late if exit_.late_until]
    over = sum(stay.state == "confirmed" and since <= stay.ends_at < until for stay in stays)
    return {
        "stays": over,
        "late": len(late),
        "rate": share(len(late), over),
        "minutes_mean": round(float(np.mean(minutes)), 1) if minutes else None,
        "minutes_p95": round(float(np.quantile(minutes, 0.95)), 1) if minutes else None,
    }


def _nights(connection: Connection, stays: Sequence[Row[Any]], *, since: datetime, until: datetime) -> Json:
    granted = [stay for stay in stays if stay.kind == "permit" and since <= stay.ends_at < until]
    given_back = sum(stay.state == "given_back" for stay in granted)
    used = sum(stay.state == "confirmed" for stay in granted)
    missed = len(no_shows(connection, since=since, until=until))
    return {
        "of_permits": len(granted),
        "release_rate": share(given_back, len(granted)),
        "no_shows": missed,
        "no_show_rate": share(missed, used),
        "booked_once": sum(stay.kind == "booking" and stay.state == "confirmed" for stay in stays),
    }


def _withdrawals(rows: Sequence[Row[Any]]) -> Json:
    planned = [float(row.notice_days) for row in rows if row.urgency == "planned"]
    return {
        "planned": len(planned),
        "emergency": len(rows) - len(planned),
        "notice_days_mean": round(sum(planned) / len(planned), 1) if planned else None,
    }
