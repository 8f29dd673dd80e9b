"""Gate devices as they come in and go out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from api.accounts.schemas import NO_ZERO, Incoming


class GateDeviceIn(Incoming):
    """A device at a facility's barrier."""

    label: Annotated[str, Field(min_length=1, max_length=80, pattern=NO_ZERO, examples=["north entrance"])]


class GateDeviceOut(BaseModel):
    """A gate device; its key cannot be seen again."""

    id: int
    facility: int
    label: str
    created_at: datetime
    rotated_at: datetime | None


class GateKeyMade(BaseModel):
    """A key, shown once; the gate sends it as bearer token."""

    device: GateDeviceOut
    key: str


class GateOut(BaseModel):
    """What a gate learns of itself."""

    facility: int
