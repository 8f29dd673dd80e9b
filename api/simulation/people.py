"""Households of a simulation: who they are, and the chances by which they do things."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, text

from api.accounts.keys import Keys
from api.accounts.secrets import hash_secret, new_secret
from api.vehicles.plates import hash_plate, seal_plate

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DEMANDS = text(
    """
    SELECT d.id, d.home_id, d.days, d.arrive_min, d.leave_min, d.tier, d.max_walk_m, d.needs, d.height_m, d.stay_through
    FROM demands d JOIN neighbourhoods n ON n.id = d.neighbourhood_id WHERE n.slug = :slug ORDER BY d.position
    """
)
_FOUND = text("INSERT INTO households (home_id) SELECT unnest(CAST(:homes AS bigint[])) RETURNING id")
_BUY = text(
    """
    INSERT INTO vehicles (household_id, plate_hash, plate_sealed, height_m, needs)
    SELECT * FROM unnest(CAST(:households AS bigint[]), CAST(:hashes AS bytea[]), CAST(:seals AS bytea[]),
                         CAST(:heights AS double precision[]), CAST(:needs AS text[]))
    """
)
_LET_IN = text(
    """
    WITH wanted AS (
        SELECT * FROM unnest(CAST(:households AS bigint[]), CAST(:hashes AS bytea[])) AS w (household_id, secret_hash)
    ), made AS (
        INSERT INTO accounts (issuer, subject) SELECT 'simulation', CAST(household_id AS text) FROM wanted
        RETURNING id, CAST(subject AS bigint) AS household_id
    ), member AS (
        INSERT INTO household_members (account_id, household_id) SELECT id, household_id FROM made
    )
    INSERT INTO bearer_tokens (account_id, secret_hash, label, expires_at)
    SELECT m.id, w.secret_hash, 'simulation', '2199-01-01' FROM made m JOIN wanted w USING (household_id)
    """
)


@dataclass(frozen=True, slots=True)
class Person:
    """
    A household and its ways.

    Attributes
    ----------
    accepts, ignores
        Chance that an offer is accepted, or left to lapse; else it is declined.
    thinks_h
        Mean hours until it answers an offer.
    leaves_late
        Chance that the car is there after the leave-by time of a night.
    stays_away
        Chance that the car does not come on a night of its permit.
    gives_up
        Chance a day that it gives its permit up, the facility's own pull aside.
    loses_patience
        Chance a day that it leaves the waitlist.
    """

    household_id: int
    plate: str
    token: str = field(repr=False)
    wish: Row[Any] = field(repr=False)
    accepts: float
    ignores: float
    thinks_h: float
    leaves_late: float
    stays_away: float
    gives_up: float
    loses_patience: float


def settle_people(
    connection: Connection, keys: Keys, *, neighbourhood: str, rng: np.random.Generator
) -> dict[int, Person]:
    """Let a household with a car live in the home of every demand of a neighbourhood; return them by their id."""
    wishes = list(connection.execute(_DEMANDS, {"slug": neighbourhood}))
    homes = list(connection.scalars(_FOUND, {"homes": [wish.home_id for wish in wishes]}))
    plates = _plates(len(wishes), rng=rng)
    connection.execute(
        _BUY,
        {
            "households": homes,
            "hashes": [hash_plate(keys, plate) for plate in plates],
            "seals": [seal_plate(keys, plate) for plate in plates],
            "heights": [wish.height_m for wish in wishes],
            "needs": [wish.needs for wish in wishes],
        },
    )
    tokens = [new_secret("bearer_token") for _ in homes]
    connection.execute(_LET_IN, {"households": homes, "hashes": [hash_secret(token) for token in tokens]})
    people = (
        _person(household, plate, token, wish, rng=rng)
        for household, plate, token, wish in zip(homes, plates, tokens, wishes, strict=True)
    )
    return {person.household_id: person for person in people}


def _person(household_id: int, plate: str, token: str, wish: Row[Any], *, rng: np.random.Generator) -> Person:
    ignores = float(rng.beta(2, 40))
    return Person(
        household_id=household_id,
        plate=plate,
        token=token,
        wish=wish,
        accepts=(1 - ignores) * float(rng.beta(18, 2)),
        ignores=ignores,
        thinks_h=float(rng.gamma(2, 9)),
        leaves_late=float(rng.beta(0.4, 14)),
        stays_away=float(rng.beta(1, 16)),
        gives_up=float(rng.gamma(1.5, 0.003)),
        loses_patience=float(rng.gamma(1, 0.0012)),
    )


def _plates(number: int, *, rng: np.random.Generator) -> list[str]:
    """Make so many plates of Shanghai, none twice."""
    chosen = rng.choice(len(_LETTERS) * 90_000, size=number, replace=False)
    return [f"沪{_LETTERS[int(k) // 90_000]}{10_000 + int(k) % 90_000}" for k in chosen]


def shuffled(people: Iterable[Person], *, rng: np.random.Generator) -> list[Person]:
    """Return people in an order by chance."""
    there = list(people)
    return [there[k] for k in rng.permutation(len(there))]
