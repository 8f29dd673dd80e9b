"""Gate devices of a facility, made and ended by its owner or a planner."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from sqlalchemy import Connection

from api.accounts.dependencies import Gate, SignedIn, Transaction
from api.accounts.principal import Principal
from api.facilities.queries import FacilityNotFound, get_facility_row
from api.gates import devices, queries
from api.gates.schemas import GateDeviceIn, GateDeviceOut, GateKeyMade, GateOut, device_out

router = APIRouter(prefix="/v1", tags=["gates"])
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/gate", summary="Where a gate stands")
def get_gate(gate: Gate) -> GateOut:
    """Tell a gate device which facility its key is for; a first call to see that it works."""
    return GateOut(facility=gate.facility_id or 0)


@router.get("/facilities/{facility}/gate-devices", summary="A facility's gate devices")
def get_devices(transaction: Transaction, principal: SignedIn, facility: Id) -> list[GateDeviceOut]:
    """List those in use."""
    _require_own_facility(transaction, principal, facility)
    return [device_out(row) for row in queries.list_devices(transaction, facility)]


@router.post("/facilities/{facility}/gate-devices", summary="Add a gate device", status_code=201)
def post_device(
    response: Response, transaction: Transaction, principal: SignedIn, facility: Id, wanted: GateDeviceIn
) -> GateKeyMade:
    """Make a key for one device at this facility; it is shown this once."""
    _require_own_facility(transaction, principal, facility)
    row, key = devices.add_device(transaction, facility, label=wanted.label, kind=wanted.kind)
    response.headers["Cache-Control"] = "no-store"
    return GateKeyMade(device=device_out(row), key=key)


@router.post("/gate-devices/{device}/key", summary="Rotate a gate's key")
def post_key(response: Response, transaction: Transaction, _principal: SignedIn, device: Id) -> GateKeyMade:
    """Make another key; the former one opens for an hour more, so that the gate can be told in between."""
    row, key = devices.rotate_key(transaction, device)
    response.headers["Cache-Control"] = "no-store"
    return GateKeyMade(device=device_out(row), key=key)


@router.delete("/gate-devices/{device}", summary="End a gate device", status_code=204, response_class=Response)
def delete_device(transaction: Transaction, _principal: SignedIn, device: Id) -> None:
    """Refuse the device's keys from this moment."""
    queries.revoke_device(transaction, device)


def _require_own_facility(connection: Connection, principal: Principal, facility_id: int) -> None:
    """Raise FacilityNotFound where the principal neither speaks for the facility's owner nor is a planner."""
    get_facility_row(connection, facility_id)
    if principal.is_planner or queries.facility_is_among(connection, facility_id, owners=principal.owner_ids):
        return
    raise FacilityNotFound("not one's own")
