"""A neighbourhood of two estates and two facilities, made row by row: as much as accounts and rights need."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

SLUG = "two-estates"


@dataclass(frozen=True, slots=True)
class Estates:
    """A home in each of the estates East and West, and two facilities nobody owns yet."""

    east: int
    west: int
    garage: int
    tower: int
    neighbourhood: str = SLUG


def make_estates(engine: Engine) -> Estates:
    """Make the neighbourhood."""
    with engine.begin() as connection:
        neighbourhood = _one(
            connection,
            """INSERT INTO neighbourhoods (slug, name, timezone, country, crs, seed, term_from, term_to, policy,
                   has_walks, input_sha256, warnings)
               VALUES (:slug, 'Two estates', 'Asia/Shanghai', 'CN', 'EPSG:4326', 1, '2026-01-01', '2026-12-31', '{}',
                   false, '{}', '[]') RETURNING id""",
            slug=SLUG,
        )
        homes = [
            _one(
                connection,
                """INSERT INTO homes (neighbourhood_id, code, position, estate, geometry)
                   VALUES (:n, :estate, 0, :estate, 'SRID=4326;POINT(121.5 31.2)') RETURNING id""",
                n=neighbourhood,
                estate=estate,
            )
            for estate in ("East", "West")
        ]
        facilities = [
            _one(
                connection,
                """INSERT INTO facilities (neighbourhood_id, code, position, name, kind, geometry, buffer_bays, extra)
                   VALUES (:n, :code, 0, :code, 'park_garage', 'SRID=4326;POINT(121.5 31.2)', 0, '{}') RETURNING id""",
                n=neighbourhood,
                code=code,
            )
            for code in ("garage", "tower")
        ]
    return Estates(east=homes[0], west=homes[1], garage=facilities[0], tower=facilities[1])


def give_facility(engine: Engine, facility_id: int, owner_id: int) -> None:
    """Let a facility belong to an owner."""
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE facilities SET owner_id = :owner WHERE id = :id"), {"owner": owner_id, "id": facility_id}
        )


def _one(connection: Connection, statement: str, **values: object) -> int:
    return int(connection.execute(text(statement), values).scalar_one())
