"""A run as it goes on, told to a planner who watches; no connection to the database is held meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent
from sqlalchemy import Row

from api.accounts.dependencies import Planner, Shown, Transaction, shown_by_somebody
from api.accounts.opening import open_for
from api.accounts.refusals import NotSignedIn
from api.runs.queries import RunNotFound, get_run
from api.runs.schemas import RunId, RunOut, run_out

LOOKED_EVERY_S = 1.0
LONGEST_S = 600.0
"""Whoever watches for longer is asked to come again, so that nobody who has gone is told for ever."""
_COME_AGAIN_MS = 1000
_ENDED = ("done", "failed", "cancelled")


class WatchedRun:
    """A run that is there, and what whoever watches it has shown: it is asked for again at every look."""

    def __init__(self, request: Request, shown: Shown, run: RunOut) -> None:
        self._request = request
        self._shown = shown
        self._first: RunOut | None = run
        self._run_id = run.id

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Tell of the run whenever it has changed, until it has ended."""
        until = time.monotonic() + LONGEST_S
        told: str | None = None
        while (run := await self._look()) is not None:
            said = run.model_dump_json()
            if said != told:
                told = said
                yield ServerSentEvent(raw_data=said, event="run", retry=_COME_AGAIN_MS)
            if run.state in _ENDED or time.monotonic() > until:
                return
            await asyncio.sleep(LOOKED_EVERY_S)

    async def _look(self) -> RunOut | None:
        """Return the run as it is; None where whoever asks may not see it any more."""
        if self._first is not None:
            run, self._first = self._first, None
            return run
        async with self._request.app.state.turns.requests:
            return await run_in_threadpool(self._read)

    def _read(self) -> RunOut | None:
        try:
            with self._request.app.state.engine.connect() as connection:
                principal = open_for(connection, secret=self._shown.secret)
                row: Row[Any] | None = get_run(connection, self._run_id) if principal.is_planner else None
        except (RunNotFound, NotSignedIn):
            return None
        return None if row is None else run_out(row)


def _watched(
    request: Request,
    shown: Annotated[Shown, Depends(shown_by_somebody)],
    transaction: Transaction,
    _planner: Planner,
    run: RunId,
) -> WatchedRun:
    return WatchedRun(request, shown, run_out(get_run(transaction, run)))


Watched = Annotated[WatchedRun, Depends(_watched)]
"""The run that the path names, for a planner."""
