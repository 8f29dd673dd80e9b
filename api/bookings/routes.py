"""Booking a bay, confirming a hold, giving it back."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel

from api.accounts.dependencies import SHOWN_BY_SOMEBODY, Transaction, act_of, shown_by_somebody
from api.accounts.residents import ActingResident
from api.bookings import queries, service
from api.bookings.errors import KeyMissing
from api.bookings.queries import Booking
from api.bookings.queries import Request as BookingRequest
from api.bookings.rules import RULES
from api.bookings.schemas import AlternativeOut, BookingIn, BookingOut, BookingPage, alternative_out, booking_out
from api.bookings.service import Outcome, Refused, Wish
from api.cursors import cursor_of, id_before
from api.dependencies import quick

router = APIRouter(prefix="/v1/bookings", tags=["bookings"])
BookingId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="A name of your own for this request; the same request with it is answered the same, once done",
    ),
]
_PROBLEM = "application/problem+json"
_LIST = "bookings"
_WORDS = {
    "full": ("No free bay", "No bay is free for the whole period; other places and times that are stand beside."),
    "overlapping": ("Already booked", "The household has a bay in this period already: one household, one car."),
    "held": ("Hold open", "The household holds a bay already: confirm or cancel that first."),
    "too_many": ("Too many bookings", f"A household has {RULES.most_ahead} bookings ahead at most."),
    "cooldown": ("Too soon", "A hold ran out unconfirmed a moment ago; ask again a little later, or book at once."),
    "hold_expired": ("Hold expired", "The hold has run out or was cancelled; ask for a bay again."),
}


class RefusalOut(BaseModel):
    """Why there is no booking, as a problem (RFC 9457), and what could be had instead."""

    type: str
    title: str
    status: int
    detail: str
    reason: str
    booking: int | None
    again_at: str | None
    alternatives: list[AlternativeOut]


_REFUSED: dict[int | str, dict[str, Any]] = {409: {"model": RefusalOut, "description": "Why not, and what instead"}}


@router.post(
    "",
    summary="Hold or book a bay",
    status_code=201,
    response_model=BookingOut,
    responses=_REFUSED,
    openapi_extra=SHOWN_BY_SOMEBODY,
)
async def post_booking(request: Request, wanted: BookingIn, key: Key = None) -> Response:
    """Take a bay for a period, at a facility or at the nearest that has one; 409 with alternatives where none has."""
    shown = await shown_by_somebody(request)
    if key is None:
        raise KeyMissing("no key")
    wish = Wish(wanted.facility, wanted.bay, wanted.start, wanted.end, wanted.vehicle, wanted.confirm)
    digest = hashlib.sha256(wanted.model_dump_json().encode()).digest()
    async with quick(request) as connection:
        outcome = await service.book(connection, BookingRequest(shown, act_of(request), key, digest), wish, rules=RULES)
    return _answer(outcome, made=201)


@router.get("", summary="The household's bookings")
def get_bookings(
    transaction: Transaction,
    resident: ActingResident,
    cursor: Annotated[str | None, Query(max_length=40, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> BookingPage:
    """List bookings, the newest first."""
    rows = queries.list_bookings(
        transaction, resident.household_id, before=id_before(cursor, of=_LIST), limit=limit + 1
    )
    more = cursor_of(rows[limit - 1].id, of=_LIST) if len(rows) > limit else None
    return BookingPage(bookings=[booking_out(row) for row in rows[:limit]], next=more)


@router.get("/{booking}", summary="One booking")
def get_booking(transaction: Transaction, resident: ActingResident, booking: BookingId) -> BookingOut:
    """Show a booking of the household."""
    return booking_out(service.get_booking(transaction, booking, household_id=resident.household_id))


@router.post(
    "/{booking}/confirm",
    summary="Confirm a hold",
    response_model=BookingOut,
    responses=_REFUSED,
    openapi_extra=SHOWN_BY_SOMEBODY,
)
async def post_confirmation(request: Request, booking: BookingId) -> Response:
    """Turn a hold into a booking; the same again changes nothing."""
    shown = await shown_by_somebody(request)
    async with quick(request) as connection:
        return _answer(await service.confirm(connection, shown, booking, act=act_of(request)), made=200)


@router.post(
    "/{booking}/cancel",
    summary="Cancel a booking or give the rest of a stay back",
    response_model=BookingOut,
    openapi_extra=SHOWN_BY_SOMEBODY,
)
async def post_cancellation(request: Request, booking: BookingId) -> Response:
    """Free the bay for others; the same again changes nothing."""
    shown = await shown_by_somebody(request)
    async with quick(request) as connection:
        return _answer(await service.cancel(connection, shown, booking, act=act_of(request)), made=200)


def _answer(outcome: Outcome, *, made: int) -> Response:
    if isinstance(outcome, Booking):
        return Response(_json(booking_out(outcome)), status_code=made, media_type="application/json")
    again = outcome.again_at
    headers = {} if again is None else {"Retry-After": str(service.seconds_until(again))}
    return Response(_json(_refusal_out(outcome)), status_code=409, media_type=_PROBLEM, headers=headers)


def _refusal_out(refused: Refused) -> RefusalOut:
    title, detail = _WORDS[refused.reason]
    return RefusalOut(
        type=refused.reason.replace("_", "-"),
        title=title,
        status=409,
        detail=detail,
        reason=refused.reason,
        booking=refused.booking_id,
        again_at=None if refused.again_at is None else refused.again_at.isoformat(),
        alternatives=[alternative_out(found) for found in refused.alternatives],
    )


def _json(content: BaseModel) -> str:
    return content.model_dump_json(by_alias=True)
