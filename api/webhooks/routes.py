"""Programs that want to be told are registered, tried, given new secrets, and taken away."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.accounts.dependencies import SignedIn, Transaction, keys_of
from api.cursors import id_before
from api.notices.contact_schemas import DeliveryPage, delivery_page
from api.notices.delivery_queries import list_deliveries_at
from api.webhooks import queries, service
from api.webhooks.addresses import rules_of
from api.webhooks.schemas import (
    NewWebhookOut,
    PingOut,
    WebhookIn,
    WebhookList,
    new_webhook_out,
    webhook_out,
)

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
WebhookId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_LIST = "calls"


@router.get("", summary="One's webhooks")
def get_webhooks(request: Request, transaction: Transaction, principal: SignedIn) -> WebhookList:
    """List those of the household, and of the owners the account speaks for, with the allow-lists they have taken."""
    found = service.list_webhooks(transaction, keys_of(request), principal, now=datetime.now(UTC))
    lists = queries.list_lists(transaction, [endpoint.id for endpoint in found])
    return WebhookList(webhooks=[webhook_out(endpoint, lists.get(endpoint.id, ())) for endpoint in found])


@router.post("", summary="Register a webhook", status_code=201)
def post_webhook(
    request: Request, response: Response, transaction: Transaction, principal: SignedIn, wanted: WebhookIn
) -> NewWebhookOut:
    """Let a program be told of what the household is told, or an owner's of lists for its gates."""
    endpoint, secret = service.add_webhook(
        transaction,
        keys_of(request),
        principal,
        url=wanted.url,
        kinds=wanted.kinds,
        owner_id=wanted.owner,
        rules=rules_of(request.app.state.settings),
        now=datetime.now(UTC),
    )
    response.headers["Cache-Control"] = "no-store"
    return new_webhook_out(endpoint, secret)


@router.delete("/{webhook}", summary="Take a webhook away", status_code=204)
def delete_webhook(transaction: Transaction, _principal: SignedIn, webhook: WebhookId) -> None:
    """Call it no more; its address and secrets are forgotten."""
    service.remove_webhook(transaction, webhook, now=datetime.now(UTC))


@router.post("/{webhook}/secret", summary="Give a webhook a new secret")
def post_webhook_secret(
    request: Request, response: Response, transaction: Transaction, _principal: SignedIn, webhook: WebhookId
) -> NewWebhookOut:
    """Show the new secret once; for a day everything is signed with the former one too."""
    endpoint, secret = service.change_secret(transaction, keys_of(request), webhook, now=datetime.now(UTC))
    response.headers["Cache-Control"] = "no-store"
    return new_webhook_out(endpoint, secret, queries.list_lists(transaction, [webhook]).get(webhook, ()))


@router.post("/{webhook}/ping", summary="Try a webhook", status_code=202)
def post_webhook_ping(transaction: Transaction, _principal: SignedIn, webhook: WebhookId) -> PingOut:
    """Let it be called with `"kind": "ping"`; what became of it stands in its deliveries."""
    return PingOut(delivery=service.ping(transaction, webhook, now=datetime.now(UTC)))


@router.get("/{webhook}/deliveries", summary="What was sent to a webhook")
def get_webhook_deliveries(
    transaction: Transaction,
    _principal: SignedIn,
    webhook: WebhookId,
    cursor: Annotated[str | None, Query(max_length=60, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DeliveryPage:
    """List calls, the newest first, and what became of them."""
    queries.get_endpoint(transaction, webhook)
    before = id_before(cursor, of=_LIST)
    return delivery_page(
        list_deliveries_at(transaction, webhook, before=before, limit=limit + 1), limit=limit, of=_LIST
    )
