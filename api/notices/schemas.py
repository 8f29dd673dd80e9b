"""Notices as they are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field
from sqlalchemy import Row

from api.notices.kinds import Kind
from api.notices.rendering import LANGUAGES, Told, moment_of, render


class NoticeOut(BaseModel):
    """What a household is told; instants in UTC, and as the clock of the facility or of home shows them."""

    id: int
    kind: Kind = Field(
        description="`leave_soon`: the stay ends within the hour. `stay_withdrawn`: the owner took the bay back. The "
        "others name what happened to an application, an offer, a place on the waitlist, a permit, a night or a payment"
    )
    stay: int | None
    stay_kind: Literal["booking", "permit"] | None
    facility: int | None
    name: str | None = Field(description="Of the facility")
    start: datetime | None = Field(alias="from")
    end: datetime | None = Field(alias="to")
    start_local: datetime | None = Field(alias="from_local")
    end_local: datetime | None = Field(alias="to_local")
    timezone: str
    reason: str | None = Field(description="In the words of whoever gave it, as the owner who withdraws a bay")
    urgency: str | None
    subject: str = Field(description="In a line, in the language that was asked for, else that of the account")
    text: str = Field(description="In full: what happened, why, and what comes next and when; a paragraph a line")
    facts: dict[str, Any] = Field(description="Ids, times and numbers; `next_date` is when something comes next")
    created_at: datetime
    read_at: datetime | None


class NoticePage(BaseModel):
    """Notices to a household, the newest first."""

    notices: list[NoticeOut]
    next: str | None = Field(description="Cursor of the next page; null at the end")


def told_of(row: Row[Any]) -> Told:
    """Return what a notice tells."""
    reason = {} if row.reason is None else {"reason": row.reason}
    names = {"facility": row.name, "new_facility": row.new_name, "round": row.round_name}
    return Told(row.kind, {**row.facts, **reason}, names, row.timezone, row.country)


def notice_out(row: Row[Any], *, language: str) -> NoticeOut:
    """Show a notice."""
    zone = ZoneInfo(row.timezone)
    start, end = moment_of(row.facts.get("from")), moment_of(row.facts.get("to"))
    said = render(told_of(row), LANGUAGES[language])
    return NoticeOut.model_validate(
        {
            "id": row.id,
            "kind": row.kind,
            "stay": row.stay_id,
            "stay_kind": row.stay_kind,
            "facility": row.facility_id,
            "name": row.name,
            "from": _utc(start),
            "to": _utc(end),
            "from_local": _local(start, zone),
            "to_local": _local(end, zone),
            "timezone": row.timezone,
            "reason": row.reason,
            "urgency": row.urgency,
            "subject": said.subject,
            "text": said.whole,
            "facts": row.facts,
            "created_at": row.created_at,
            "read_at": row.read_at,
        }
    )


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC)


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return moment and moment.astimezone(zone).replace(tzinfo=None)
