"""What the service asks the database about gate devices, and what it writes there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, text, update

from api.db.account_tables import gate_devices
from api.db.tables import facilities
from api.errors import ApiError


class GateDeviceNotFound(ApiError):
    """No gate device of this id at a facility of one's own."""


def facility_is_among(connection: Connection, facility_id: int, *, owners: frozenset[int]) -> bool:
    """Tell whether a facility belongs to one of some owners."""
    query = select(facilities.c.id).where(facilities.c.id == facility_id, facilities.c.owner_id.in_(owners))
    return connection.scalar(query) is not None


def find_acting_device(connection: Connection) -> Row[Any] | None:
    """Return the gate device whose key was shown."""
    query = text("SELECT id, facility_id, label, kind FROM gate_devices WHERE id = acting_gate()")
    return connection.execute(query).one_or_none()


def get_device(connection: Connection, device_id: int) -> Row[Any]:
    """Return a gate device in use; raise GateDeviceNotFound without it."""
    t = gate_devices
    row = connection.execute(select(t).where(t.c.id == device_id, t.c.revoked_at.is_(None))).one_or_none()
    if row is None:
        raise GateDeviceNotFound("no such device")
    return row


def list_devices(connection: Connection, facility_id: int) -> Sequence[Row[Any]]:
    """List a facility's gate devices in use."""
    t = gate_devices
    query = select(t).where(t.c.facility_id == facility_id, t.c.revoked_at.is_(None)).order_by(t.c.id)
    return connection.execute(query).all()


def add_device(
    connection: Connection, facility_id: int, *, label: str, key_hash: bytes, kind: str = "gate"
) -> Row[Any]:
    """Add a gate device, or one that a warden carries, and return it."""
    row = {"facility_id": facility_id, "label": label, "key_hash": key_hash, "kind": kind}
    return connection.execute(insert(gate_devices).values(row).returning(gate_devices)).one()


def rotate_key(connection: Connection, device_id: int, *, key_hash: bytes, former_lasts: timedelta) -> Row[Any]:
    """Give a gate device another key; the former one still opens for a while. Raise GateDeviceNotFound without it."""
    t = gate_devices
    values = {
        "former_key_hash": t.c.key_hash,
        "former_key_until": func.now() + former_lasts,
        "key_hash": key_hash,
        "rotated_at": func.now(),
    }
    query = update(t).where(t.c.id == device_id, t.c.revoked_at.is_(None)).values(values).returning(t)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise GateDeviceNotFound("no such device")
    return row


def revoke_device(connection: Connection, device_id: int) -> None:
    """End a gate device at once, its former key too; raise GateDeviceNotFound without it."""
    t = gate_devices
    query = update(t).where(t.c.id == device_id, t.c.revoked_at.is_(None)).values(revoked_at=func.clock_timestamp())
    if not connection.execute(query).rowcount:
        raise GateDeviceNotFound("no such device")
