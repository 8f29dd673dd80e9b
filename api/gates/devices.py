"""Keys of gate devices: made, shown once, and rotated."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row

from api.accounts.secrets import hash_secret, new_secret
from api.gates import queries

FORMER_KEY_LASTS = timedelta(hours=1)


def add_device(connection: Connection, facility_id: int, *, label: str, kind: str) -> tuple[Row[Any], str]:
    """Add a device to a facility; return it with its key, of which only a hash is kept."""
    key = new_secret("gate_device")
    return queries.add_device(connection, facility_id, label=label, kind=kind, key_hash=hash_secret(key)), key


def rotate_key(connection: Connection, device_id: int) -> tuple[Row[Any], str]:
    """Make another key, the former one opens for an hour more; raise GateDeviceNotFound without the device."""
    key = new_secret("gate_device")
    row = queries.rotate_key(connection, device_id, key_hash=hash_secret(key), former_lasts=FORMER_KEY_LASTS)
    return row, key
