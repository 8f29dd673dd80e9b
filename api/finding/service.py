"""Free bays in walking order, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.db.statement import Statement
from api.finding.cursor import Cursor
from api.finding.queries import free_in_order_statement, free_near_home_statement
from api.finding.walking import WalkBy
from api.finding.wanted import Wanted

_NOWHERE = (-1, 0)
"""(metres, facility) before every facility."""


@dataclass(frozen=True, slots=True)
class StoredHome:
    """Somebody looks from a home that the service knows."""

    home_id: int


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody looks from a place in WGS 84 degrees."""

    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class Search:
    """
    What to look for, and how much of it: facilities within a walk that have a bay as wanted, free for the whole period.

    `after` is where the page before ended; only what is farther is listed.
    """

    wanted: Wanted
    max_walk_m: float
    limit: int
    after: Cursor | None = None

    @property
    def beyond(self) -> tuple[int, int]:
        """(metres, facility) of the last that was listed."""
        return _NOWHERE if self.after is None else (self.after.walk_m, self.after.facility_id)

    def near_home(self, home_id: int) -> Statement:
        """Ask for it near a stored home; the caller has made sure that it is one of the neighbourhood."""
        return free_near_home_statement(
            home_id, max_walk_m=self.max_walk_m, after=self.beyond, wanted=self.wanted, limit=self.limit + 1
        )

    def along(self, walks: Sequence[tuple[int, int]]) -> Statement:
        """Ask for it among (facility, metres), the nearest first."""
        rest = [walk for walk in walks if (walk[1], walk[0]) > self.beyond]
        return free_in_order_statement(rest, wanted=self.wanted, limit=self.limit + 1)

    def page(self, rows: Sequence[Any], *, walk_by: WalkBy) -> Page:
        """Make a page of what was answered."""
        shown = rows[: self.limit]
        more = Cursor(shown[-1].walk_m, shown[-1].id, self.wanted.period) if len(rows) > self.limit else None
        return Page(rows=shown, walk_by=walk_by, after=more)


@dataclass(frozen=True, slots=True)
class Page:
    """Facilities with free bays, the nearest first, and where the next page begins."""

    rows: Sequence[Any]
    walk_by: WalkBy
    after: Cursor | None
