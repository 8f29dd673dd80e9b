"""Webhooks as they come in and go out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, field_validator

from api.accounts.schemas import Incoming
from api.notices.kinds import KINDS
from api.webhooks.addresses import LONGEST_URL
from api.webhooks.service import Endpoint

EVENTS = ("allow_list", "withdrawal", "withdrawal_called_off", "overstay", "gate_review")
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


class WebhookOut(BaseModel):
    """A program that is told."""

    id: int
    url: str = Field(description="Empty where it was sealed with another secret key: take it away, register it again")
    kinds: list[str]
    owner: int | None
    failures: int = Field(description="Calls that failed since the last one that arrived")
    paused_until: datetime | None
    former_secret_until: datetime | None = Field(description="Until when the secret before the last signs too")
    created_at: datetime


class NewWebhookOut(WebhookOut):
    """The same with its secret, which is shown this once."""

    secret: str


class WebhookList(BaseModel):
    """One's webhooks."""

    webhooks: list[WebhookOut]


class PingOut(BaseModel):
    """A call that is about to be made; it stands in the webhook's deliveries."""

    delivery: int


def webhook_out(endpoint: Endpoint) -> WebhookOut:
    """Show a webhook."""
    return WebhookOut(
        id=endpoint.id,
        url=endpoint.url,
        kinds=list(endpoint.kinds),
        owner=endpoint.owner_id,
        failures=endpoint.failures,
        paused_until=endpoint.paused_until,
        former_secret_until=endpoint.former_until,
        created_at=endpoint.created_at,
    )


def new_webhook_out(endpoint: Endpoint, secret: str) -> NewWebhookOut:
    """Show a webhook with its secret."""
    return NewWebhookOut(**webhook_out(endpoint).model_dump(), secret=secret)
