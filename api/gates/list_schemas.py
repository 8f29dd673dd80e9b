"""Allow-lists and who took them, as they go out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.gates.allow_list import AllowedRow, AllowList


class AllowedOut(BaseModel):
    """One plate on one bay for one interval; instants in UTC."""

    id: int = Field(description="Names the row when it is removed")
    plate: str
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    bay: str = Field(description="Bay group and number")
    kind: Literal["booking", "permit"]


class AllowListOut(BaseModel):
    """An allow-list, or what changed in it; rows whose `to` has passed are void by themselves."""

    facility: int
    version: int
    whole: bool = Field(description="`added` is the whole list, and everything known before is void")
    added: list[AllowedOut]
    removed: list[int] = Field(description="Ids of rows that hold no more")


class AllowListPush(AllowListOut):
    """What an owner's webhook is told: what changed since the version it took last."""

    kind: Literal["allow_list"]
    since: int | None = Field(description="The version it took last; null where `added` is the whole list")
    at: datetime


class ExportOut(BaseModel):
    """That somebody took a list away: a gate, an account, or the webhook."""

    at: datetime
    way: Literal["json", "csv", "webhook", "command"]
    device: str | None
    account: int | None
    version: int
    rows: int


def allow_list_out(facility_id: int, found: AllowList) -> AllowListOut:
    """Show a list."""
    return AllowListOut(
        facility=facility_id,
        version=found.version,
        whole=found.whole,
        added=[_row_out(row) for row in found.added],
        removed=list(found.removed),
    )


def _row_out(row: AllowedRow) -> AllowedOut:
    return AllowedOut.model_validate(
        {
            "id": row.id,
            "plate": row.plate,
            "from": row.starts_at.astimezone(UTC),
            "to": row.ends_at.astimezone(UTC),
            "bay": row.bay,
            "kind": row.kind,
        }
    )
