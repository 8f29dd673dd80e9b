"""A household says where it wants to be written to, and sees what was sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.accounts.dependencies import Transaction, keys_of
from api.accounts.residents import ActingResident
from api.cursors import id_before
from api.notices import contacts, delivery_queries
from api.notices.contact_schemas import (
    CodeIn,
    ContactIn,
    ContactOut,
    DeliveryPage,
    contact_out,
    delivery_page,
)

router = APIRouter(prefix="/v1/household", tags=["notices"])
_LIST = "deliveries"


@router.get("/contact", summary="Where the household is written to")
def get_contact(request: Request, transaction: Transaction, resident: ActingResident) -> ContactOut:
    """Show the address, to the household only."""
    return contact_out(contacts.find_contact(transaction, keys_of(request), resident.household_id))


@router.put("/contact", summary="Say where the household wants to be written to")
def put_contact(request: Request, transaction: Transaction, resident: ActingResident, wanted: ContactIn) -> ContactOut:
    """Keep an address and send a code to it; notices follow once the code came back."""
    if request.app.state.settings.smtp_host is None:
        raise contacts.MailOff("no mail server")
    changed = contacts.set_contact(
        transaction,
        keys_of(request),
        resident.household_id,
        email=wanted.email,
        language=wanted.language,
        by_mail=wanted.by_mail,
        now=datetime.now(UTC),
    )
    return contact_out(changed)


@router.post("/contact/verification", summary="Confirm the address")
def post_contact_verification(
    request: Request, transaction: Transaction, resident: ActingResident, wanted: CodeIn
) -> ContactOut:
    """Take the code that was sent to the address; five tries a code."""
    now = datetime.now(UTC)
    contacts.count_try(request.app.state.engine, resident.household_id, now=now)
    confirmed = contacts.verify(transaction, keys_of(request), resident.household_id, code=wanted.code, now=now)
    return contact_out(confirmed)


@router.delete("/contact", summary="Be written to no more", status_code=204)
def delete_contact(transaction: Transaction, resident: ActingResident) -> None:
    """Erase the address; the inbox stays."""
    contacts.erase_contact(transaction, resident.household_id, now=datetime.now(UTC))


@router.get("/deliveries", summary="What was sent to the household")
def get_deliveries(
    transaction: Transaction,
    resident: ActingResident,
    cursor: Annotated[str | None, Query(max_length=60, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DeliveryPage:
    """List mails and calls of webhooks, the newest first, and what became of them."""
    before = id_before(cursor, of=_LIST)
    rows = delivery_queries.list_deliveries_to(transaction, resident.household_id, before=before, limit=limit + 1)
    return delivery_page(rows, limit=limit, of=_LIST)
