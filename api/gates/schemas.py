"""Gate devices as they come in and go out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Row

from api.accounts.schemas import NO_ZERO, Incoming

Kind = Literal["gate", "warden"]


class GateDeviceIn(Incoming):
    """A device at a facility's barrier, or one that a warden carries."""

    label: Annotated[str, Field(min_length=1, max_length=80, pattern=NO_ZERO, examples=["north entrance"])]
    kind: Annotated[Kind, Field(description="A warden's device may ask for one plate at a time only")] = "gate"


class GateDeviceOut(BaseModel):
    """A gate device; its key cannot be seen again."""

    id: int
    facility: int
    label: str
    kind: Kind
    created_at: datetime
    rotated_at: datetime | None


class GateKeyMade(BaseModel):
    """A key, shown once; the gate sends it as bearer token."""

    device: GateDeviceOut
    key: str


class GateOut(BaseModel):
    """What a gate learns of itself."""

    facility: int


def device_out(row: Row[Any]) -> GateDeviceOut:
    """Show a gate device."""
    return GateDeviceOut(
        id=row.id,
        facility=row.facility_id,
        label=row.label,
        kind=row.kind,
        created_at=row.created_at,
        rotated_at=row.rotated_at,
    )
