"""Where a household stands on the waitlist, and how long the queues are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path

from api.accounts.dependencies import Planner, Transaction
from api.accounts.residents import ActingResident
from api.neighbourhoods.queries import get_neighbourhood
from api.waitlist import queries, service
from api.waitlist.schemas import EntryOut, QueueOut, queue_out, shown_entry

router = APIRouter(prefix="/v1", tags=["permits"])
EntryId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/waitlist", summary="Where the household stands on the waitlist")
def get_waitlist(transaction: Transaction, resident: ActingResident) -> list[EntryOut]:
    """List the rounds the household waits in or waited in, with its position at each place and the newest date."""
    return [shown_entry(transaction, row) for row in queries.list_entries(transaction, resident.household_id)]


@router.delete("/waitlist/{entry}", summary="Leave the waitlist")
def delete_entry(transaction: Transaction, resident: ActingResident, entry: EntryId) -> EntryOut:
    """Leave the list of a round; an offer that waits has to be declined instead."""
    left = service.leave_waitlist(transaction, entry, household_id=resident.household_id, now=datetime.now(UTC))
    return shown_entry(transaction, left)


@router.get("/neighbourhoods/{neighbourhood}/waitlist", summary="How long the queues are")
def get_queues(transaction: Transaction, _planner: Planner, neighbourhood: str) -> list[QueueOut]:
    """Count who waits for each bay group, the longest queue first."""
    place = get_neighbourhood(transaction, neighbourhood)
    return [queue_out(row) for row in queries.list_lengths(transaction, place.id)]
