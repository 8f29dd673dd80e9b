"""Planners ask for plans, look how far they are, and call them off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.accounts.dependencies import Planner, Transaction
from api.cursors import cursor_of, id_before
from api.neighbourhoods.queries import get_neighbourhood
from api.runs import queries, service
from api.runs.events import Watched
from api.runs.schemas import RunId, RunIn, RunOut, RunPage, run_out

router = APIRouter(prefix="/v1", tags=["runs"])
_LIST = "runs"


@router.post("/neighbourhoods/{neighbourhood}/runs", summary="Ask for a plan", status_code=202)
def post_run(
    transaction: Transaction, planner: Planner, response: Response, neighbourhood: str, wanted: RunIn
) -> RunOut:
    """Let a worker compute a plan of the neighbourhood; it is checked and stored, and not published."""
    parameters = wanted.model_dump(exclude_none=True)
    run = run_out(service.ask_for_run(transaction, neighbourhood, parameters=parameters, asked_by=planner.account_id))
    response.headers["Location"] = f"/v1/runs/{run.id}"
    return run


@router.get("/neighbourhoods/{neighbourhood}/runs", summary="Runs of a neighbourhood")
def get_runs(
    transaction: Transaction,
    _planner: Planner,
    neighbourhood: str,
    cursor: Annotated[str | None, Query(max_length=60, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> RunPage:
    """List runs, the newest first."""
    owner = get_neighbourhood(transaction, neighbourhood).id
    rows = queries.list_runs(transaction, owner, before=id_before(cursor, of=_LIST), limit=limit + 1)
    more = cursor_of(rows[limit - 1].id, of=_LIST) if len(rows) > limit else None
    return RunPage(runs=[run_out(row) for row in rows[:limit]], next=more)


@router.get("/runs/{run}", summary="One run")
def get_run(transaction: Transaction, _planner: Planner, run: RunId) -> RunOut:
    """Show how far a run is, its plan, or why it failed."""
    return run_out(queries.get_run(transaction, run))


@router.get("/runs/{run}/events", summary="A run as it goes on", response_class=EventSourceResponse)
async def get_run_events(watched: Watched) -> AsyncIterator[ServerSentEvent]:
    """Tell of the run whenever it has changed, as server-sent events named `run`, until it has ended."""
    async for event in watched.events():
        yield event


@router.post("/runs/{run}/cancel", summary="Call a run off")
def post_cancellation(transaction: Transaction, _planner: Planner, run: RunId) -> RunOut:
    """End a run that waits or is under way; the same again changes nothing."""
    return run_out(service.cancel(transaction, run))
