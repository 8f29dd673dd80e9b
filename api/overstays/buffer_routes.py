"""Owners see how many bays to keep back, and have it done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import Connection

from api.accounts.dependencies import SignedIn, Transaction
from api.accounts.principal import Principal
from api.overstays import buffer_queries as queries
from api.overstays.buffer_schemas import BufferOut, BufferSettings, buffer_out
from api.overstays.buffers import apply_proposal, own_place

router = APIRouter(prefix="/v1/facilities", tags=["supply"])
Facility = Annotated[int, Path(ge=1, le=2**63 - 1)]
_SHOWN = 14


@router.get("/{facility}/buffer", summary="How many bays to keep back")
def get_buffer(transaction: Transaction, principal: SignedIn, facility: Facility) -> BufferOut:
    """Show the buffer, what the owner wants of it, and the estimates of the last two weeks."""
    return _shown(transaction, principal, facility)


@router.put("/{facility}/buffer", summary="Say what the buffer must do")
def put_buffer(transaction: Transaction, principal: SignedIn, facility: Facility, wanted: BufferSettings) -> BufferOut:
    """Choose the confidence, and whether the buffer may change by itself."""
    own_place(transaction, facility, principal=principal)
    values = {**wanted.model_dump(), "facility_id": facility, "changed_by": principal.account_id}
    queries.put_settings(transaction, {**values, "changed_at": datetime.now(UTC)})
    return _shown(transaction, principal, facility)


@router.post("/{facility}/buffer/application", summary="Keep as many bays back as proposed")
def post_application(transaction: Transaction, principal: SignedIn, facility: Facility) -> BufferOut:
    """Make the newest estimate the buffer; 409 where nothing is proposed or somebody would lose a bay."""
    apply_proposal(transaction, facility, principal=principal, now=datetime.now(UTC))
    return _shown(transaction, principal, facility)


def _shown(connection: Connection, principal: Principal, facility_id: int) -> BufferOut:
    place = own_place(connection, facility_id, principal=principal)
    return buffer_out(place, list(queries.list_estimates(connection, facility_id, limit=_SHOWN)))
