"""A rush waits at the door instead of for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, text

from api.dependencies import Connected, Turns

POOL, RUSH = 2, 120


@pytest.fixture
def small_pool(engine: Engine) -> Iterator[Engine]:
    """The tests' database behind two connections, for which nobody waits longer than a second."""
    small = create_engine(engine.url, pool_size=POOL, max_overflow=0, pool_timeout=1)
    yield small
    small.dispose()


def rushed(engine: Engine, *, turns: int) -> list[int]:
    """Ask much more often at once than there are threads; give the statuses."""
    app = FastAPI()
    app.state.engine = engine
    app.state.turns = Turns(requests=asyncio.Semaphore(turns))

    @app.get("/")
    def answer(connection: Connected) -> int:
        return int(connection.scalar(text("SELECT 1")) or 0)

    async def ask_all() -> list[int]:
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
            answers = await asyncio.gather(*(client.get("/") for _ in range(RUSH)))
        return [answer.status_code for answer in answers]

    return asyncio.run(ask_all())


def test_everybody_in_a_rush_is_answered(small_pool: Engine) -> None:
    assert rushed(small_pool, turns=POOL) == [200] * RUSH


def test_with_more_turns_than_connections_the_same_rush_waits_for_itself(small_pool: Engine) -> None:
    assert 500 in rushed(small_pool, turns=RUSH)
