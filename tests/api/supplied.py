"""A few facilities with openings and stays, written row by row, for tests of finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from api.finding.period import Period

NIGHT = datetime(2030, 5, 6, tzinfo=UTC)
"""Hours are counted from here in the tests."""


def moment(hour: float) -> datetime:
    return NIGHT + timedelta(hours=hour)


def hours(start: float, end: float) -> Period:
    return Period(moment(start), moment(end))


def _spans(spans: Iterable[tuple[float, float]], bounds: str) -> str:
    return (
        "{" + ",".join(f"{bounds[0]}{moment(a).isoformat()},{moment(b).isoformat()}{bounds[1]}" for a, b in spans) + "}"
    )


class Supplied:
    """Writes rows into a database that is rolled back by whoever opened it, or emptied before the next test."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.neighbourhood = self._id(
            "INSERT INTO neighbourhoods (slug, name, timezone, country, crs, seed, term_from, term_to, policy,"
            " has_walks, input_sha256, warnings) VALUES"
            " ('n', 'N', 'UTC', 'CN', 'EPSG:4326', 0, '2030-01-01', '2030-12-31',"
            """ '{"max_walk_m": 500}', false, '{}', '[]') RETURNING id"""
        )
        self.home = self.add_home("h")
        self._facilities = 0

    def _id(self, statement: str, **values: object) -> int:
        return int(self.connection.execute(text(statement), values).scalar_one())

    def add_home(self, code: str) -> int:
        return self._id(
            "INSERT INTO homes (neighbourhood_id, code, position, geometry)"
            " VALUES (:n, :code, 0, 'SRID=4326;POINT(121.5 31.25)') RETURNING id",
            n=self.neighbourhood,
            code=code,
        )

    def add_facility(
        self,
        walk_m: int,
        *,
        status: str = "published",
        max_height_m: float | None = None,
        night_price_cents: int | None = None,
        sold_until: float = 1000,
    ) -> int:
        self._facilities += 1
        facility_id = self._id(
            "INSERT INTO facilities (neighbourhood_id, code, position, name, kind, geometry, buffer_bays, extra,"
            " status, max_height_m, night_price_cents, materialised_until) VALUES (:n, :code, :place, :code, 'other',"
            " 'SRID=4326;POINT(121.5 31.25)', 0, '{}', :status, :height, :price, :until) RETURNING id",
            n=self.neighbourhood,
            code=f"f{self._facilities}",
            place=self._facilities,
            status=status,
            height=max_height_m,
            price=night_price_cents,
            until=moment(sold_until),
        )
        self.connection.execute(
            text("INSERT INTO walk_pairs (facility_id, home_id, walk_m) VALUES (:f, :h, :m)"),
            {"f": facility_id, "h": self.home, "m": walk_m},
        )
        return facility_id

    def add_door(self, facility_id: int, aside_m: float) -> None:
        """Put a door so many metres east of the home."""
        self.connection.execute(
            text(
                "INSERT INTO walk_doors (facility_id, position, geometry) SELECT :f, 0,"
                " ST_Project(CAST(geometry AS geography), :m, pi() / 2)::geometry FROM homes WHERE id = :home"
            ),
            {"f": facility_id, "m": aside_m, "home": self.home},
        )

    def add_group(self, facility_id: int, bays: int, kinds: Sequence[str] = ("standard",)) -> list[int]:
        """Add a bay group; return the ids of its bays."""
        group = self._id(
            "INSERT INTO bay_groups (facility_id, code, position, kinds)"
            " VALUES (:f, (SELECT 'g' || count(*) FROM bay_groups), 0, :kinds) RETURNING id",
            f=facility_id,
            kinds=list(kinds),
        )
        return [self.add_bay(group, number) for number in range(1, bays + 1)]

    def add_bay(self, group: int, number: int) -> int:
        return self._id("INSERT INTO bays (bay_group_id, number) VALUES (:g, :n) RETURNING id", g=group, n=number)

    def group_of(self, bay: int) -> int:
        return self._id("SELECT bay_group_id FROM bays WHERE id = :bay", bay=bay)

    def add_opening(
        self,
        bay: int,
        during: tuple[float, float],
        *,
        numbers: tuple[int, int],
        starts: Iterable[tuple[float, float]] | None = None,
        ends: Iterable[tuple[float, float]] | None = None,
    ) -> None:
        """Open bays of the group of a bay; a stay may begin and end at any moment unless it is said when."""
        span = f"[{moment(during[0]).isoformat()},{moment(during[1]).isoformat()})"
        self.connection.execute(
            text(
                "INSERT INTO openings (facility_id, bay_group_id, first_number, last_number, during, starts, ends)"
                " SELECT facility_id, id, :first, :last, CAST(:during AS tstzrange), CAST(:starts AS tstzmultirange),"
                " CAST(:ends AS tstzmultirange) FROM bay_groups WHERE id = :group"
            ),
            {
                "group": self.group_of(bay),
                "first": numbers[0],
                "last": numbers[1],
                "during": span,
                "starts": _spans([during] if starts is None else starts, "[)"),
                "ends": _spans([during] if ends is None else ends, "[]"),
            },
        )

    def add_stay(
        self, bay: int, during: tuple[float, float], *, state: str = "confirmed", expires_s: float = 600
    ) -> None:
        """Let a household of its own stay on a bay; a hold runs out so many seconds from now."""
        household = self._id("INSERT INTO households (home_id) VALUES (:home) RETURNING id", home=self.home)
        self.connection.execute(
            text(
                "INSERT INTO stays (bay_id, household_id, during, kind, state, expires_at)"
                " VALUES (:bay, :household, tstzrange(:start, :end), 'booking', :state,"
                " CASE WHEN :state = 'held' THEN now() + make_interval(secs => :expires_s) END)"
            ),
            {
                "bay": bay,
                "household": household,
                "start": moment(during[0]),
                "end": moment(during[1]),
                "state": state,
                "expires_s": expires_s,
            },
        )
