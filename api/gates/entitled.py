"""Who may ask for a facility's list and movements: its own gate, its owner, a planner."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from api.accounts.principal import Principal
from api.accounts.refusals import NotAllowed, NotSignedIn
from api.facilities.queries import FacilityNotFound
from api.gates import list_queries, queries


def get_device(connection: Connection, *, kind: str) -> Row[Any]:
    """
    Return the gate device that asks.

    Raises
    ------
    NotAllowed
        It is a device of the other kind.
    """
    device = queries.find_acting_device(connection)
    if device is None:
        raise NotSignedIn("no gate's key")
    if device.kind != kind:
        raise NotAllowed(f"needs a device of the kind {kind}")
    return device


def place_of_gate_or_owner(connection: Connection, principal: Principal, facility_id: int) -> Row[Any]:
    """
    Return a facility to its own gate, its owner, or a planner.

    Raises
    ------
    NotSignedIn, NotAllowed, FacilityNotFound
        Nobody asks; a warden's device does; it is somebody else's.
    """
    if principal.way == "gate_device":
        if get_device(connection, kind="gate").facility_id != facility_id:
            raise FacilityNotFound("not the gate's")
        return _get_place(connection, facility_id)
    return place_of_owner(connection, principal, facility_id)


def place_of_owner(connection: Connection, principal: Principal, facility_id: int) -> Row[Any]:
    """Return a facility to its owner or a planner; raises as `place_of_gate_or_owner`."""
    if principal.account_id is None:
        raise NotSignedIn("nobody is signed in")
    place = _get_place(connection, facility_id)
    if principal.is_planner or queries.facility_is_among(connection, facility_id, owners=principal.owner_ids):
        return place
    raise FacilityNotFound("not one's own")


def _get_place(connection: Connection, facility_id: int) -> Row[Any]:
    place = list_queries.find_place(connection, facility_id)
    if place is None:
        raise FacilityNotFound("no such facility")
    return place
