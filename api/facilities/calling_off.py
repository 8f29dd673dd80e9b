"""A withdrawal called off before it takes effect."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from api.accounts.principal import Principal
from api.facilities import supply_queries, withdrawal_queries
from api.facilities.consequences import lock_supply
from api.facilities.drafting import require_control
from api.facilities.errors import SupplyConflict
from api.facilities.offers import read_offer
from api.facilities.queries import FacilityNotFound
from api.facilities.storing import load_offer, store_offer
from api.openings.service import materialise
from api.reaccommodation.returning import give_back
from api.webhooks.service import tell_owner


def call_off(
    connection: Connection, facility_id: int, withdrawal_id: int, *, principal: Principal, now: datetime
) -> Row[Any]:
    """
    Offer again what was to be taken back, as it was before; the withdrawal stays in the history, called off.

    Permits that had found no other place stay; whoever was moved keeps the new place, and what is free is offered to
    the next on the waitlist.

    Raises
    ------
    FacilityNotFound, NotAllowed
        There is no such facility or withdrawal; it is somebody else's.
    SupplyConflict
        It has taken effect, cars were told to leave because of it, or the facility has changed since.
    """
    lock_supply(connection, facility_id)
    facility = supply_queries.find_facility(connection, facility_id)
    made = withdrawal_queries.find_withdrawal(connection, facility_id, withdrawal_id)
    if facility is None or made is None:
        raise FacilityNotFound("no such withdrawal")
    require_control(principal, owner_id=facility.owner_id)
    _require_open(facility, made, now=now)
    if withdrawal_queries.makes_cars_leave(connection, withdrawal_id, now=now):
        raise SupplyConflict(
            "cars stand there that were told to leave because of it: publish a draft to offer the bays again"
        )
    before = withdrawal_queries.offer_before(connection, facility_id, version=made.version)
    now_offered = load_offer(connection, facility).document()
    version = supply_queries.next_version(connection, facility_id)
    store_offer(
        connection,
        facility_id,
        read_offer(before),
        neighbourhood_id=facility.neighbourhood_id,
        owner_id=facility.owner_id,
        version=version,
    )
    materialise(connection, facility_ids=[facility_id], now=now)
    withdrawal_queries.note_called_off(connection, withdrawal_id, by=principal.account_id, now=now)
    give_back(connection, facility_id, withdrawal_id, now=now)
    tell_owner(connection, facility_id, "withdrawal_called_off", {"withdrawal": withdrawal_id}, now=now)
    supply_queries.add_history(
        connection,
        facility_id=facility_id,
        neighbourhood_id=facility.neighbourhood_id,
        owner_id=facility.owner_id,
        version=version,
        act="published",
        changed_by=principal.account_id,
        reason=f"withdrawal {withdrawal_id} called off",
        before=now_offered,
        after=before,
    )
    found = withdrawal_queries.find_withdrawal(connection, facility_id, withdrawal_id)
    return found if found is not None else made


def _require_open(facility: Row[Any], made: Row[Any], *, now: datetime) -> None:
    if made.called_off_at is not None:
        raise SupplyConflict("it has been called off already")
    if made.effective_from <= now:
        raise SupplyConflict("it has taken effect: publish a draft to offer the bays again")
    if facility.version != made.version:
        raise SupplyConflict("the facility has changed since: publish a draft to offer the bays again")
