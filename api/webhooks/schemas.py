"""Webhooks as they come in and go out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator
from sqlalchemy import Row

from api.accounts.schemas import Incoming
from api.notices.kinds import KINDS
from api.webhooks.addresses import LONGEST_URL
from api.webhooks.service import Endpoint

EVENTS = ("allow_list", "withdrawal", "withdrawal_called_off", "overstay", "gate_review", "list_not_taken")
"""What owners' programs can hear of."""


class WebhookIn(Incoming):
    """A program that wants to be told."""

    url: Annotated[str, Field(min_length=1, max_length=LONGEST_URL, description="https, in a public network")]
    kinds: list[Annotated[str, Field(max_length=40)]] = Field(
        default_factory=list,
        max_length=40,
        description="Kinds of notices, of an owner those in docs/gates.md; all without",
    )
    owner: int | None = Field(default=None, ge=1, le=2**63 - 1, description="Of this owner; of one's household without")

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: list[str]) -> list[str]:
        if not set(kinds) <= {*KINDS, *EVENTS}:
            raise ValueError("not a kind of notice")
        return list(dict.fromkeys(kinds))


class ListTakenOut(BaseModel):
    """How much of a facility's allow-list a webhook has taken."""

    facility: int
    version: int | None = Field(description="The one it took last; null where it has taken none")
    failures: int = Field(description="Calls in a row by which it did not take what came since")
    error: str | None = Field(description="Why it did not take the last one, in a word")
    failing_since: datetime | None
    next_at: datetime | None = Field(description="When it is called again")


class WebhookOut(BaseModel):
    """A program that is told."""

    id: int
    url: str = Field(description="Empty where it was sealed with another secret key: take it away, register it again")
    kinds: list[str]
    owner: int | None
    failures: int = Field(description="Calls in a row that it did not answer, or put off")
    paused_until: datetime | None
    former_secret_until: datetime | None = Field(description="Until when the secret before the last signs too")
    created_at: datetime
    lists: list[ListTakenOut] = Field(description="Allow-lists that it was told of, of an owner's facilities")


class NewWebhookOut(WebhookOut):
    """The same with its secret, which is shown this once."""

    secret: str


class WebhookList(BaseModel):
    """One's webhooks."""

    webhooks: list[WebhookOut]


class PingOut(BaseModel):
    """A call that is about to be made; it stands in the webhook's deliveries."""

    delivery: int


def webhook_out(endpoint: Endpoint, lists: Sequence[Row[Any]] = ()) -> WebhookOut:
    """Show a webhook, with what it has taken of allow-lists."""
    return WebhookOut(
        id=endpoint.id,
        url=endpoint.url,
        kinds=list(endpoint.kinds),
        owner=endpoint.owner_id,
        failures=endpoint.failures,
        paused_until=endpoint.paused_until,
        former_secret_until=endpoint.former_until,
        created_at=endpoint.created_at,
        lists=[
            ListTakenOut(
                facility=row.facility_id,
                version=row.version,
                failures=row.failures,
                error=row.error,
                failing_since=row.failing_since,
                next_at=row.next_at,
            )
            for row in lists
        ],
    )


def new_webhook_out(endpoint: Endpoint, secret: str, lists: Sequence[Row[Any]] = ()) -> NewWebhookOut:
    """Show a webhook with its secret."""
    return NewWebhookOut(**webhook_out(endpoint, lists).model_dump(), secret=secret)
