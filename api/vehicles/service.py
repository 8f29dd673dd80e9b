"""Which car stands for a household, and who decides when two households name one plate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row

from api.accounts.keys import Keys
from api.accounts.refusals import OwnHousehold, TooManyAttempts
from api.errors import ApiError
from api.households.queries import find_household_of
from api.vehicles import queries
from api.vehicles.plates import hash_plate, normalise_plate, open_plate, seal_plate

Status = Literal["received", "refused"]
MOST_CLAIMS, CLAIMS_WITHIN = 5, timedelta(days=30)
"""Plates a household may name: enough for mistakes and a new car, too few to try plates out."""


class VehicleNotFound(ApiError):
    """The household has no car."""


class OtherVehicle(ApiError):
    """The household has another car already: one household, one car."""


class DisputeNotFound(ApiError):
    """No claim of this id waits for a decision."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A household's car as the household sees it; whether its plate is in dispute does not show."""

    plate: str
    height_m: float | None
    needs: str
    created_at: datetime
    status: Status


def register_vehicle(
    connection: Connection, keys: Keys, household_id: int, *, plate: str, height_m: float | None, needs: str
) -> None:
    """
    Register a household's car, or change what is known of it; alike whether its plate stands for another or not.

    Raises
    ------
    PlateUnknown
        No known format.
    OtherVehicle
        The household has a car of another plate.
    TooManyAttempts
        The household named too many plates.
    """
    normal = normalise_plate(plate)
    hashed = hash_plate(keys, normal)
    queries.lock_household(connection, household_id)
    known = _find_claim(connection, household_id)
    if known is not None:
        if bytes(known.plate_hash) != hashed:
            raise OtherVehicle("one household, one car")
        queries.describe(connection, household_id, height_m=height_m, needs=needs)
        return
    wait_s = queries.find_claim_wait(connection, household_id, within=CLAIMS_WITHIN, most=MOST_CLAIMS)
    if wait_s is not None:
        raise TooManyAttempts(max(1, math.ceil(wait_s)))
    sealed = seal_plate(keys, normal)
    queries.register(connection, household_id, hashed=hashed, sealed=sealed, height_m=height_m, needs=needs)


def get_vehicle(connection: Connection, keys: Keys, household_id: int) -> Vehicle:
    """Return a household's car; raise VehicleNotFound without one."""
    status: Status = "received"
    row = _find_claim(connection, household_id)
    if row is None:
        status = "refused"
        row = queries.find_newest_dispute(connection, household_id)
        if row is None or row.outcome != "holder":
            raise VehicleNotFound("no car")
    return Vehicle(
        plate=open_plate(keys, bytes(row.plate_sealed)),
        height_m=row.height_m,
        needs=row.needs,
        created_at=row.created_at,
        status=status,
    )


def withdraw_vehicle(connection: Connection, household_id: int) -> None:
    """Let a household have no car; raise VehicleNotFound when it had none."""
    queries.lock_household(connection, household_id)
    if not queries.withdraw(connection, household_id):
        raise VehicleNotFound("no car")


def decide(connection: Connection, dispute_id: int, *, outcome: Literal["claimant", "holder"], planner: int) -> None:
    """
    Say whom a disputed plate stands for.

    Raises
    ------
    DisputeNotFound
        No such claim waits.
    OwnHousehold
        The planner's own household claims the plate, or holds it.
    """
    dispute = queries.find_open_dispute(connection, dispute_id)
    if dispute is None:
        raise DisputeNotFound("no such dispute")
    own = find_household_of(connection, planner)
    if own is not None and queries.is_party_of(connection, dispute, own):
        raise OwnHousehold("somebody else must decide on the plate of one's own household")
    if outcome == "claimant":
        queries.take_plate_from_holder(connection, bytes(dispute.plate_hash), decided_by=planner)
        queries.give_plate_to_claimant(connection, dispute)
    queries.close_dispute(connection, dispute_id, outcome=outcome, decided_by=planner)


def _find_claim(connection: Connection, household_id: int) -> Row[Any] | None:
    """Return a household's car, registered or in dispute."""
    found = queries.find_vehicle(connection, household_id)
    if found is not None:
        return found
    dispute = queries.find_newest_dispute(connection, household_id)
    return dispute if dispute is not None and dispute.outcome is None else None
