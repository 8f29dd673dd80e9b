"""A draft that a planner has verified becomes what everybody sees, bookable at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from api.accounts.principal import Principal
from api.facilities import supply_queries as queries
from api.facilities.consequences import Change, Outcome, carry_out, lock_supply
from api.facilities.drafting import get_draft, note
from api.facilities.errors import SupplyConflict, VersionStale
from api.facilities.new_walks import measure_walks
from api.facilities.offers import Offer, read_offer
from api.facilities.storing import load_offer, store_offer
from api.reaccommodation.returning import offer_more


def publish_draft(
    connection: Connection, facility_id: int, *, principal: Principal, seen: int, token: str = "", reason: str = ""
) -> Outcome:
    """
    Publish a submitted draft; one that takes capacity back needs the token that tells whom it hits.

    Stays that end within the facility's notice period are kept. Bays that are new in a running term are offered to
    those who wait for them.

    Raises
    ------
    DraftNotFound, VersionStale
        There is none; it is not the version that was looked at.
    SupplyConflict
        It has not been submitted, its owner is not verified, or what is published has changed since it was written.
    """
    lock_supply(connection, facility_id)
    draft = get_draft(connection, facility_id)
    if draft.version != seen:
        raise VersionStale("changed in the meantime")
    published = queries.find_facility(connection, facility_id)
    _require_ready(connection, draft, published)
    offer = read_offer(draft.feature)
    before = None if published is None else load_offer(connection, published).document()
    now = datetime.now(UTC)
    outcome = carry_out(
        connection,
        _change(draft, published, reason=reason),
        lambda: _store(connection, draft, offer),
        principal=principal,
        token=token,
        now=now,
    )
    if outcome.done:
        offer_more(connection, facility_id, now=now)
        queries.delete_draft(connection, facility_id, version=draft.version)
        note(
            connection,
            draft,
            act="published",
            principal=principal,
            reason=reason,
            before=before,
            after=offer.document(),
        )
    return outcome


def _require_ready(connection: Connection, draft: Row[Any], published: Row[Any] | None) -> None:
    if draft.status != "submitted":
        raise SupplyConflict("the draft has not been submitted")
    if draft.base_version != (None if published is None else published.version):
        raise SupplyConflict("what is published has changed since the draft was begun: write the draft again")
    owner = None if draft.owner_id is None else queries.find_owner(connection, draft.owner_id)
    if owner is not None and owner.verified_at is None:
        raise SupplyConflict("the owner has not been verified yet")
    if published is None and queries.is_code_taken(connection, draft.neighbourhood_id, draft.code):
        raise SupplyConflict("the neighbourhood has a facility of this id already")


def _change(draft: Row[Any], published: Row[Any] | None, *, reason: str) -> Change:
    notice = timedelta(days=0 if published is None else published.notice_days)
    local = datetime.now(ZoneInfo(draft.timezone)).replace(hour=12, minute=0, second=0, microsecond=0)
    return Change(
        facility_id=draft.facility_id,
        version=draft.base_version or 0,
        becomes=draft.version,
        words={"kind": "edit", "version": draft.version},
        after=(local + notice).astimezone(UTC),
        urgency="planned",
        reason=reason,
    )


def _store(connection: Connection, draft: Row[Any], offer: Offer) -> None:
    try:
        store_offer(
            connection,
            draft.facility_id,
            offer,
            neighbourhood_id=draft.neighbourhood_id,
            owner_id=draft.owner_id,
            version=draft.version,
        )
    except IntegrityError as error:  # a facility of this id was published between our look and now
        raise SupplyConflict("the neighbourhood has a facility of this id already") from error
    measure_walks(connection, draft.facility_id, offer.facility, neighbourhood_id=draft.neighbourhood_id)
