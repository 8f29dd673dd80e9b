"""Drafts: what an owner is writing, seen by nobody but the owner and the planners until it is published."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row

from api.accounts.principal import Principal
from api.accounts.refusals import NotAllowed
from api.errors import Fault
from api.facilities import supply_queries as queries
from api.facilities.errors import (
    DraftNotFound,
    OwnerUnclear,
    SupplyConflict,
    UnusableFacilities,
    VersionMissing,
    VersionStale,
)
from api.facilities.offers import Offer
from api.grants.queries import OwnerNotFound
from api.neighbourhoods.feature_values import FILE

_NUM_DIGITS = 10  # more than any version will ever have


def owner_for(connection: Connection, principal: Principal, *, wanted: int | None) -> int | None:
    """
    Return the owner that a new facility belongs to; a planner's own belong to nobody.

    Raises
    ------
    OwnerNotFound
        There is no such owner.
    NotAllowed
        The account does not speak for this owner, or for any.
    OwnerUnclear
        It speaks for several and named none.
    """
    if wanted is None:
        if principal.is_planner:
            return None
        if not principal.owner_ids:
            raise NotAllowed("speaks for no owner")
        if len(principal.owner_ids) > 1:
            raise OwnerUnclear("speaks for several owners")
        [wanted] = principal.owner_ids
    if not principal.is_planner and wanted not in principal.owner_ids:
        raise NotAllowed("speaks for others")
    if queries.find_owner(connection, wanted) is None:
        raise OwnerNotFound("no such owner")
    return wanted


def require_control(principal: Principal, *, owner_id: int | None) -> None:
    """
    Let pass whoever may change what belongs to an owner.

    Raises
    ------
    NotAllowed
        It is somebody else's.
    """
    if not principal.is_planner and owner_id not in principal.owner_ids:
        raise NotAllowed("somebody else's facility")


def seen_version(if_match: str | None) -> int:
    """
    Return the version that a change begins from, as the header If-Match says it.

    Raises
    ------
    VersionMissing
        The header is missing.
    VersionStale
        It names no version of ours.
    """
    if if_match is None:
        raise VersionMissing("no If-Match")
    written = if_match.strip().removeprefix('"').removesuffix('"')
    if not (written.isascii() and written.isdigit() and len(written) <= _NUM_DIGITS):
        raise VersionStale("no version of ours")
    return int(written)


def get_draft(connection: Connection, facility_id: int) -> Row[Any]:
    """Return the draft of a facility; raise DraftNotFound without one that the account may see."""
    draft = queries.find_draft(connection, facility_id)
    if draft is None:
        raise DraftNotFound("no such draft")
    return draft


def create_draft(
    connection: Connection, neighbourhood_id: int, offer: Offer, *, principal: Principal, owner_id: int | None
) -> Row[Any]:
    """
    Store a new facility as a draft.

    Raises
    ------
    SupplyConflict
        The neighbourhood has a facility, or a draft, of this id already.
    """
    code = offer.facility.id
    facility_id = queries.reserve_facility_id(connection)
    values = _values(facility_id, neighbourhood_id, offer, owner_id=owner_id, principal=principal)
    if queries.is_code_taken(connection, neighbourhood_id, code) or not queries.insert_draft(connection, values):
        raise SupplyConflict("the neighbourhood has a facility or a draft of this id already")
    draft = get_draft(connection, facility_id)
    note(connection, draft, act="drafted", principal=principal, after=draft.feature)
    return draft


def edit_draft(connection: Connection, facility_id: int, offer: Offer, *, principal: Principal, seen: int) -> Row[Any]:
    """
    Write a draft anew, or begin one from what is published; one that was submitted has to be submitted again.

    Parameters
    ----------
    seen
        Version of the draft, or without one of the published facility.

    Raises
    ------
    DraftNotFound, NotAllowed, VersionStale, UnusableFacilities
        There is neither draft nor facility; it is another's; somebody was faster; the id is not the facility's.
    """
    facility = queries.find_facility(connection, facility_id)
    draft = queries.find_draft(connection, facility_id)
    if draft is None:
        return _begin_edit(connection, facility, offer, principal=principal, seen=seen)
    require_control(principal, owner_id=draft.owner_id)
    _require_same_id(offer, draft.code)
    base = None if facility is None else facility.version
    changed = queries.change_draft(
        connection,
        facility_id,
        seen=seen,
        feature=offer.document(),
        status="draft",
        changed_by=principal.account_id,
        base_version=base,
    )
    if changed is None:
        raise VersionStale("changed in the meantime")
    note(connection, changed, act="edited", principal=principal, before=draft.feature, after=changed.feature)
    return changed


def submit_draft(connection: Connection, facility_id: int, *, principal: Principal, seen: int) -> Row[Any]:
    """
    Hand a draft to the planners.

    Raises
    ------
    DraftNotFound, VersionStale
        There is none; somebody was faster.
    """
    return _set_status(connection, facility_id, "submitted", act="submitted", principal=principal, seen=seen)


def return_draft(connection: Connection, facility_id: int, *, principal: Principal, seen: int, reason: str) -> Row[Any]:
    """
    Give a submitted draft back to its owner, saying why.

    Raises
    ------
    DraftNotFound, VersionStale, SupplyConflict
        There is none; somebody was faster; it has not been submitted.
    """
    if get_draft(connection, facility_id).status != "submitted":
        raise SupplyConflict("the draft has not been submitted")
    return _set_status(connection, facility_id, "draft", act="returned", principal=principal, seen=seen, reason=reason)


def discard_draft(connection: Connection, facility_id: int, *, principal: Principal, seen: int) -> None:
    """
    Throw a draft away; what is published stays as it is, and the history keeps what was drafted.

    Raises
    ------
    DraftNotFound, VersionStale
        There is none; somebody was faster.
    """
    draft = get_draft(connection, facility_id)
    require_control(principal, owner_id=draft.owner_id)
    if not queries.delete_draft(connection, facility_id, version=seen):
        raise VersionStale("changed in the meantime")
    note(connection, draft, act="discarded", principal=principal, before=draft.feature)


def note(
    connection: Connection,
    row: Row[Any],
    *,
    act: str,
    principal: Principal,
    reason: str = "",
    before: object = None,
    after: object = None,
) -> None:
    """Add to the history of a facility, of which `row` is the draft."""
    queries.add_history(
        connection,
        facility_id=row.facility_id,
        neighbourhood_id=row.neighbourhood_id,
        owner_id=row.owner_id,
        version=row.version,
        act=act,
        changed_by=principal.account_id,
        reason=reason,
        before=before,
        after=after,
    )


def _begin_edit(
    connection: Connection, facility: Row[Any] | None, offer: Offer, *, principal: Principal, seen: int
) -> Row[Any]:
    if facility is None:
        raise DraftNotFound("no such draft")
    require_control(principal, owner_id=facility.owner_id)
    _require_same_id(offer, facility.code)
    values = _values(
        facility.id,
        facility.neighbourhood_id,
        offer,
        owner_id=facility.owner_id,
        principal=principal,
        version=queries.next_version(connection, facility.id),
        base_version=facility.version,
    )
    if facility.version != seen or not queries.insert_draft(connection, values):
        raise VersionStale("changed in the meantime")
    draft = get_draft(connection, facility.id)
    note(connection, draft, act="drafted", principal=principal, after=draft.feature)
    return draft


def _set_status(
    connection: Connection,
    facility_id: int,
    status: str,
    *,
    act: str,
    principal: Principal,
    seen: int,
    reason: str = "",
) -> Row[Any]:
    draft = get_draft(connection, facility_id)
    require_control(principal, owner_id=draft.owner_id)
    changed = queries.change_draft(connection, facility_id, seen=seen, status=status, changed_by=principal.account_id)
    if changed is None:
        raise VersionStale("changed in the meantime")
    note(connection, changed, act=act, principal=principal, reason=reason)
    return changed


def _require_same_id(offer: Offer, code: str) -> None:
    if offer.facility.id != code:
        raise UnusableFacilities([Fault(FILE, 1, "id", f"must stay {code!r}: a facility keeps its id")])


def _values(
    facility_id: int,
    neighbourhood_id: int,
    offer: Offer,
    *,
    owner_id: int | None,
    principal: Principal,
    version: int = 1,
    base_version: int | None = None,
) -> dict[str, Any]:
    return {
        "facility_id": facility_id,
        "neighbourhood_id": neighbourhood_id,
        "owner_id": owner_id,
        "code": offer.facility.id,
        "version": version,
        "base_version": base_version,
        "feature": json.dumps(offer.document(), ensure_ascii=False),
        "changed_by": principal.account_id,
    }
