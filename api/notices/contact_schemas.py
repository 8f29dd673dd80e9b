"""Contacts and deliveries as they come in and go out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Row

from api.accounts.schemas import Incoming
from api.cursors import cursor_of
from api.notices.contacts import Contact


class ContactIn(Incoming):
    """Where a household wants to be written to."""

    email: Annotated[str, Field(min_length=3, max_length=254)]
    language: Literal["zh", "en"] = "zh"
    by_mail: bool = Field(default=True, description="False keeps the address and sends nothing to it")


class CodeIn(Incoming):
    """The code that was sent to the address."""

    code: Annotated[str, Field(pattern=r"^[0-9]{8}$")]


class ContactOut(BaseModel):
    """Where one's own household is written to."""

    email: str
    language: Literal["zh", "en"]
    by_mail: bool
    state: Literal["unconfirmed", "confirmed", "bounced"] = Field(
        description="Notices go to a confirmed address only; one that took no mail must be given and confirmed anew"
    )
    confirmed_at: datetime | None
    code_until: datetime | None = Field(description="Until when the code that was sent can be used")


class DeliveryOut(BaseModel):
    """One notice, code or event on its way, and what became of it."""

    id: int
    channel: Literal["mail", "code", "webhook"]
    notice: int | None
    webhook: int | None
    kind: str | None = Field(description="Of an event, as `ping`")
    state: Literal["waiting", "sent", "failed"]
    attempts: int
    error: str | None = Field(description="Why the last attempt failed, in a word")
    next_at: datetime | None = Field(description="When it is tried next")
    created_at: datetime
    ended_at: datetime | None


class DeliveryPage(BaseModel):
    """Deliveries, the newest first."""

    deliveries: list[DeliveryOut]
    next: str | None = Field(description="Cursor of the next page; null at the end")


def contact_out(contact: Contact) -> ContactOut:
    """Show a contact."""
    confirmed = "confirmed" if contact.verified_at is not None else "unconfirmed"
    return ContactOut.model_validate(
        {
            "email": contact.email,
            "language": contact.language,
            "by_mail": contact.by_mail,
            "state": "bounced" if contact.bounced_at is not None else confirmed,
            "confirmed_at": contact.verified_at,
            "code_until": contact.code_until,
        }
    )


def delivery_out(row: Row[Any]) -> DeliveryOut:
    """Show a delivery."""
    return DeliveryOut(
        id=row.id,
        channel=row.channel,
        notice=row.notice_id,
        webhook=row.endpoint_id,
        kind=None if row.event is None else row.event["kind"],
        state=row.state,
        attempts=row.attempts,
        error=row.error,
        next_at=row.next_at if row.state == "waiting" else None,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def delivery_page(rows: Sequence[Row[Any]], *, limit: int, of: str) -> DeliveryPage:
    """Show `limit` deliveries of one more that were asked for."""
    more = cursor_of(rows[limit - 1].id, of=of) if len(rows) > limit else None
    return DeliveryPage(deliveries=[delivery_out(row) for row in rows[:limit]], next=more)
