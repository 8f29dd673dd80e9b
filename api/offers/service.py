"""What becomes of offers: delivered, accepted, declined, or lapsed, each in one step that the database decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.notices.service import NewNotice, tell
from api.offers import queries
from api.offers.deadlines import REMINDED_BEFORE, TAKEN_AS_DELIVERED_AFTER
from api.offers.errors import OfferDecided, OfferExpired, OfferNotFound
from api.offers.making import WantedOffer, expiry_at, have_nights, make_offers
from api.openings.permit_queries import rights_of_worker
from api.permits.cars import require_offer_fits
from api.permits.ending import end_permits
from api.permits.ledger import lock_ledger

__all__ = [
    "WantedOffer",
    "accept_offer",
    "decline_offer",
    "deliver_late_offers",
    "get_offer",
    "have_nights",
    "lapse_offers",
    "make_offers",
    "note_delivered",
    "remind_of_offers",
]

MOST_AT_ONCE = 200
"""Offers that lapse in one transaction: those who decline meanwhile wait for it."""


def note_delivered(connection: Connection, offer_ids: Sequence[int], *, now: datetime) -> None:
    """Let the time of offers begin; those that were delivered before, or decided, are left alone."""
    with rights_of_worker(connection):
        rows = queries.list_undelivered(connection, offer_ids)
        places = {row.neighbourhood_id: row for row in rows}
        expiries = {key: expiry_at(connection, row, now=now) for key, row in places.items()}
        queries.deliver(connection, {row.id: expiries[row.neighbourhood_id] for row in rows}, now=now)


def deliver_late_offers(connection: Connection, *, now: datetime) -> int:
    """Take offers as delivered that no channel has delivered within 24 hours: they stand in the inbox."""
    with rights_of_worker(connection):
        late = queries.list_waiting_for_delivery(connection, since=TAKEN_AS_DELIVERED_AFTER, now=now)
        note_delivered(connection, late, now=now)
    return len(late)


def get_offer(connection: Connection, offer_id: int, *, household_id: int) -> Row[Any]:
    """Return an offer to a household; raise OfferNotFound without one."""
    offer = queries.find_offer(connection, offer_id, household_id=household_id)
    if offer is None:
        raise OfferNotFound("no such offer")
    return offer


def accept_offer(
    connection: Connection, offer_id: int, *, household_id: int, account_id: int | None, now: datetime
) -> Row[Any]:
    """
    Let an offer become a permit; asked again, the answer is the same.

    Raises
    ------
    OfferNotFound, OfferDecided, OfferExpired
        There is none for this household; it was declined or taken back; its time is over.
    CarDoesNotFit
        The household's car came not to fit the place while the offer was made.
    """
    with rights_of_worker(connection):
        offer = get_offer(connection, offer_id, household_id=household_id)
        queries.lock_permits(connection, [offer.id])
        if offer.state == "pending":
            require_offer_fits(connection, household_id, offer.permit_id)
        accepted = queries.decide(
            connection, offer_id, state="accepted", household_id=household_id, account_id=account_id, now=now
        )
        offer = get_offer(connection, offer_id, household_id=household_id)
        if not accepted:
            _require_state(offer, "accepted")
            return offer
        queries.activate(connection, offer.permit_id)
        queries.note_served(connection, offer.application_id, now=now)
        next_night = max(offer.first, now.astimezone(ZoneInfo(offer.timezone)).date())
        tell(connection, [_notice(offer, "offer_accepted", next_date=next_night.isoformat())], now=now)
        return get_offer(connection, offer_id, household_id=household_id)


def decline_offer(
    connection: Connection, offer_id: int, *, household_id: int, account_id: int | None, now: datetime
) -> Row[Any]:
    """
    Let an offer go to the next on the waitlist; asked again, the answer is the same.

    A household that declines keeps its points for the next round, and leaves the list of this one.

    Raises
    ------
    OfferNotFound, OfferDecided, OfferExpired
        There is none for this household; it was accepted or taken back; its time is over.
    """
    with rights_of_worker(connection):
        group = queries.find_group(connection, offer_id, household_id=household_id)
        if group is None:
            raise OfferNotFound("no such offer")
        lock_ledger(connection, [group])
        queries.lock_permits(connection, [offer_id])
        declined = queries.decide(
            connection, offer_id, state="declined", household_id=household_id, account_id=account_id, now=now
        )
        offer = get_offer(connection, offer_id, household_id=household_id)
        if not declined:
            _require_state(offer, "declined")
            return offer
        end_permits(connection, [offer.permit_id], reason="declined", now=now)
        tell(connection, [_notice(offer, "offer_declined", next_date=offer.last.isoformat())], now=now)
        return get_offer(connection, offer_id, household_id=household_id)


def lapse_offers(connection: Connection, *, now: datetime) -> int:
    """
    End offers whose time is over, at most some hundreds, and let the next follow; return how many.

    Who accepts at the same moment is first or too late: either the offer waits no more, or its time is over.
    """
    with rights_of_worker(connection):
        due = queries.list_due(connection, most=MOST_AT_ONCE, now=now)
        if not due:
            return 0
        lock_ledger(connection, sorted({row.bay_group_id for row in due}))
        queries.lock_permits(connection, [row.id for row in due])
        lapsed = queries.lapse(connection, [row.id for row in due], now=now)
        end_permits(connection, [row.permit_id for row in lapsed], reason="lapsed", now=now)
        offers = queries.list_some(connection, [row.id for row in lapsed])
        tell(connection, [_notice(o, "offer_lapsed", next_date=o.last.isoformat()) for o in offers], now=now)
    return len(lapsed)


def remind_of_offers(connection: Connection, *, now: datetime) -> int:
    """Remind households of offers that expire within 24 hours, each once; return how many were told."""
    with rights_of_worker(connection):
        offers = queries.list_ending_soon(connection, within=REMINDED_BEFORE, now=now)
        notices = [
            _notice(offer, "offer_reminder", next_date=offer.expires_at.isoformat(), once=f"offer {offer.id}")
            for offer in offers
        ]
        return tell(connection, notices, now=now)


def _notice(offer: Row[Any], kind: str, *, next_date: str, once: str | None = None) -> NewNotice:
    facts = {"offer": offer.id, "permit": offer.permit_id, "facility": offer.facility_id, "next_date": next_date}
    return NewNotice(household_id=offer.household_id, kind=kind, facts=facts, once=once)


def _require_state(offer: Row[Any], wanted: str) -> None:
    """Say why an offer cannot be answered, unless it was answered like this before."""
    if offer.state == wanted:
        return
    if offer.state in ("pending", "lapsed"):
        raise OfferExpired(f"the offer could be answered until {offer.expires_at.isoformat()}")
    raise OfferDecided(f"the offer was {offer.state} at {offer.decided_at.isoformat()}")
