"""A household's offers. Reading changes nothing: a link in a mail may be fetched by machines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path

from api.accounts.dependencies import Transaction
from api.accounts.residents import ActingResident
from api.offers import queries, service
from api.offers.schemas import OfferOut, offer_out

router = APIRouter(prefix="/v1/offers", tags=["permits"])
OfferId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("", summary="Offers to the household")
def get_offers(transaction: Transaction, resident: ActingResident) -> list[OfferOut]:
    """List offers, the newest first."""
    return [offer_out(row) for row in queries.list_offers(transaction, resident.household_id)]


@router.get("/{offer}", summary="One offer")
def get_offer(transaction: Transaction, resident: ActingResident, offer: OfferId) -> OfferOut:
    """Show an offer; its time neither begins nor ends by it."""
    return offer_out(service.get_offer(transaction, offer, household_id=resident.household_id))


@router.post("/{offer}/accept", summary="Accept an offer")
def post_accept(transaction: Transaction, resident: ActingResident, offer: OfferId) -> OfferOut:
    """Let the offer become a permit; the same again is answered the same."""
    return offer_out(
        service.accept_offer(
            transaction,
            offer,
            household_id=resident.household_id,
            account_id=resident.account_id,
            now=datetime.now(UTC),
        )
    )


@router.post("/{offer}/decline", summary="Decline an offer")
def post_decline(transaction: Transaction, resident: ActingResident, offer: OfferId) -> OfferOut:
    """Leave the bay to the next on the waitlist, and the list of this round; points are kept for the next."""
    return offer_out(
        service.decline_offer(
            transaction,
            offer,
            household_id=resident.household_id,
            account_id=resident.account_id,
            now=datetime.now(UTC),
        )
    )
