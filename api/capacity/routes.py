"""Owners ask how many bays they can share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from api.accounts.dependencies import SignedIn, Transaction
from api.capacity.schemas import CapacityAdviceOut
from api.capacity.service import advise_facility
from api.capacity.telling import advice_json

router = APIRouter(prefix="/v1", tags=["supply"])
MOST_BYTES = 16 * 1024 * 1024
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "description": "CSV in UTF-8 or GBK with a column of entries and one of exits, named in English or Chinese",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


async def _content(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/facilities/{facility}/capacity-advice",
    summary="How many bays are safe to share",
    max_body_size=MOST_BYTES,
    openapi_extra=_BODY,
)
def post_capacity_advice(
    *,
    transaction: Transaction,
    principal: SignedIn,
    content: Annotated[bytes, Depends(_content)],
    facility: Annotated[int, Path(ge=1, le=2**63 - 1)],
    bays: Annotated[int | None, Query(ge=1, le=100_000, description="Of the place; those it shares without")] = None,
    confidence: Annotated[float, Query(ge=0.5, lt=1, description="Share of coming days on which they are free")] = 0.95,
    window: Annotated[str, Query(max_length=20, description="Hours to share; 32:00 is 08:00")] = "18:00-32:00",
) -> CapacityAdviceOut:
    """
    Say by weekday and hour, and for whole nights, how many bays past records show to be free; nothing sent is kept.

    Without a body, from what the facility's own gate saw: cars that had no stay.
    """
    advice = advise_facility(
        transaction,
        facility,
        content,
        principal=principal,
        bays=bays,
        confidence=confidence,
        window=window,
        now=datetime.now(UTC),
    )
    return CapacityAdviceOut.model_validate(advice_json(advice))
