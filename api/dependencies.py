"""What requests need, handed to their routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from psycopg import AsyncConnection, Error
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from api.accounts.opening import open_for
from api.db.connection import CONNECTIONS, LOG_INS, LONGEST_WAIT_S
from api.errors import DatabaseUnavailable

Result = TypeVar("Result")
_MEASURING = 2
"""Requests that compute for long at once: they leave the other turns, and a processor's share, to everybody else."""


@dataclass(frozen=True, slots=True)
class Turns:
    """
    How many requests may use the database at once; the others wait outside, in the order they came.

    Together no more than there are connections: inside, nobody waits for one in a thread. Else those who wait could
    take every thread that those who have a connection need to finish. Log-ins have turns of their own, since they
    take long over passwords.
    """

    requests: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS - LOG_INS))
    log_ins: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOG_INS))
    measuring: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MEASURING))


async def _admitted(request: Request) -> AsyncIterator[None]:
    async with _turn_of(request.app.state.turns.requests):
        yield


async def _admitted_to_log_in(request: Request) -> AsyncIterator[None]:
    async with _turn_of(request.app.state.turns.log_ins):
        yield


@asynccontextmanager
async def _turn_of(turns: asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(LONGEST_WAIT_S):
            await turns.acquire()
    except TimeoutError as error:
        raise DatabaseUnavailable("every connection to the database is busy") from error
    try:
        yield
    finally:
        turns.release()


Admitted = Depends(_admitted, scope="function")
"""For what opens a transaction; given back before anything is sent."""
AdmittedToLogIn = Depends(_admitted_to_log_in, scope="function")
"""For routes that check or keep a password, and open their transactions themselves."""


def _connection(request: Request, _turn: Annotated[None, Admitted]) -> Iterator[Connection]:
    """Open one transaction for a request that everybody may make, as the role that owns nothing; it only reads."""
    with request.app.state.engine.connect() as connection:
        open_for(connection, secret=None)
        yield connection


Connected = Annotated[Connection, Depends(_connection, scope="function")]
"""A reading transaction in nobody's name: identity is invisible, and nothing is kept."""


async def in_thread(request: Request, work: Callable[[Connection], Result]) -> Result:
    """Do a piece of reading in nobody's name in a thread; for asynchronous routes that sometimes compute for long."""

    def do() -> Result:
        with request.app.state.engine.connect() as connection:
            open_for(connection, secret=None)
            return work(connection)

    turns: Turns = request.app.state.turns
    async with _turn_of(turns.measuring), _turn_of(turns.requests):
        return await run_in_threadpool(do)


@asynccontextmanager
async def quick(request: Request) -> AsyncIterator[AsyncConnection[Any]]:
    """
    Lend a connection on which every statement is a transaction of its own, without a thread.

    For the few routes that everybody calls at six: the statement that changes something finds out by itself who asks,
    and does everything. The role is the one that owns nothing. The connection is the driver's, out of the pool: what
    SQLAlchemy puts around a statement takes a tenth of what a booking takes.
    """
    engine: AsyncEngine = request.app.state.quick_engine
    pool = engine.pool
    lent = await engine.raw_connection()
    connection = cast("AsyncConnection[Any]", lent.driver_connection)
    try:
        yield connection
    except Error as error:
        if connection.closed:
            raise DatabaseUnavailable("the connection was lost") from error
        raise
    finally:
        if connection.info.transaction_status == TransactionStatus.IDLE:
            lent.close()
        else:  # it is lost, or still at work for somebody who has left
            lent.invalidate(soft=True)
            lent.close()
            if connection.closed and engine.pool is pool:
                await engine.dispose()  # the others were most likely lost with it; they are made anew
