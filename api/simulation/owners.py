"""What owners do in a season: take some bays back, close for a while at once, and leave for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text

from api.facilities.withdrawing import Withdrawal, withdraw
from api.simulation.season import Season

_MIDDLING = text(
    """
    SELECT f.id, g.code, max(w.bays) AS bays
    FROM facilities f JOIN bay_groups g ON g.facility_id = f.id AND g.code = 'std'
    JOIN share_windows w ON w.bay_group_id = g.id
    WHERE f.status = 'published' GROUP BY 1, 2 HAVING max(w.bays) BETWEEN 6 AND 40 ORDER BY f.id
    """
)


def take_some_back(season: Season) -> None:
    """Let an owner need a third of the bays from the end of the notice on."""
    place = _some_place(season)
    if place is not None:
        wanted = Withdrawal("bays", "planned", "tenants moved in", bay_group=place.code, bays=place.bays * 2 // 3)
        _withdraw(season, place.id, wanted)


def close_at_once(season: Season) -> None:
    """Let a garage be flooded for three days."""
    place = _some_place(season)
    if place is not None:
        wanted = Withdrawal("closure", "emergency", "flooded", end=season.now + timedelta(days=3))
        _withdraw(season, place.id, wanted)


def leave(season: Season) -> None:
    """Let an owner leave the scheme for good, with notice."""
    place = _some_place(season)
    if place is not None:
        _withdraw(season, place.id, Withdrawal("facility", "planned", "the building is sold"))


def _some_place(season: Season) -> Row[Any] | None:
    with season.engine.begin() as connection:
        places = connection.execute(_MIDDLING).all()
    return places[int(season.rng.integers(len(places)))] if places else None


def _withdraw(season: Season, facility_id: int, wanted: Withdrawal) -> None:
    """Look at whom it hits first, then confirm exactly that, as the page does."""
    with season.acting(season.planner) as connection:
        seen = withdraw(connection, facility_id, wanted, principal=season.planner, token=None, now=season.now)
    token = seen.consequences.token
    with season.acting(season.planner) as connection:
        done = withdraw(connection, facility_id, wanted, principal=season.planner, token=token, now=season.now)
    season.tally["withdrawals_confirmed"] += done.done
    season.tally["withdrawals_changed_meanwhile"] += not done.done
