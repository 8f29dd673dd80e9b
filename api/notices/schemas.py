"""Notices as they are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field
from sqlalchemy import Row


class NoticeOut(BaseModel):
    """What a household is told of one of its stays; instants in UTC, and as the facility's clock shows them."""

    id: int
    kind: Literal["leave_soon", "stay_withdrawn"] = Field(
        description="`leave_soon`: the stay ends within the hour. `stay_withdrawn`: the owner took the bay back"
    )
    stay: int
    stay_kind: Literal["booking", "permit"]
    facility: int
    name: str
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    start_local: datetime = Field(alias="from_local")
    end_local: datetime = Field(alias="to_local")
    timezone: str
    reason: str | None = Field(description="Of a withdrawal, in the owner's words")
    urgency: str | None
    created_at: datetime
    read_at: datetime | None


class NoticePage(BaseModel):
    """Notices to a household, the newest first."""

    notices: list[NoticeOut]
    next: str | None = Field(description="Cursor of the next page; null at the end")


def notice_out(row: Row[Any]) -> NoticeOut:
    """Show a notice."""
    zone = ZoneInfo(row.timezone)
    return NoticeOut.model_validate(
        {
            "id": row.id,
            "kind": row.kind,
            "stay": row.stay_id,
            "stay_kind": row.stay_kind,
            "facility": row.facility_id,
            "name": row.name,
            "from": row.starts_at.astimezone(UTC),
            "to": row.ends_at.astimezone(UTC),
            "from_local": row.starts_at.astimezone(zone).replace(tzinfo=None),
            "to_local": row.ends_at.astimezone(zone).replace(tzinfo=None),
            "timezone": row.timezone,
            "reason": row.reason,
            "urgency": row.urgency,
            "created_at": row.created_at,
            "read_at": row.read_at,
        }
    )
