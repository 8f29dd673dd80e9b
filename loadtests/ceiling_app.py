"""
A service that does nothing but the bare insert of a booking: what FastAPI and the pool leave of the database's speed.

    DATABASE_URL=… python -m loadtests.ceiling_app

Runs as the real service runs: the same number of processes, the same server, the same kind of pool and of route as
bookings have; no log-in, no search, no rules.
"""

from __future__ import annotations

import os
import random
from functools import partial

import uvicorn
from fastapi import FastAPI, Request, Response
from uvicorn.supervisors import Multiprocess

from api.db.connection import make_engine, make_quick_engine
from api.db.statement import Statement, rows_of
from api.dependencies import quick
from loadtests.loopback import open_door

WORKERS = 2
NIGHTS = 14

_INSERT = """
    INSERT INTO ceiling.stays (bay_id, household_id, during, kind, state)
    VALUES (%(bay)s, %(household)s, tstzrange('2030-01-01 19:00Z'::timestamptz + %(night)s * interval '1 day',
                                              '2030-01-02 07:00Z'::timestamptz + %(night)s * interval '1 day'),
            'booking', 'confirmed')
    ON CONFLICT DO NOTHING RETURNING id
"""


def create_ceiling_app(address: str, *, bays: int) -> FastAPI:
    """Build the app on a database whose schema `ceiling` is there."""
    app = FastAPI(openapi_url=None)
    app.state.quick_engine = make_quick_engine(make_engine(address))

    @app.get("/readyz")
    async def get_readiness() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/insert", status_code=201)
    async def insert(request: Request, response: Response) -> dict[str, int | None]:
        values = {
            "bay": random.randint(1, bays),
            "household": random.randint(1, 1_000_000_000),
            "night": random.randrange(NIGHTS),
        }
        async with quick(request) as connection:  # every statement is a transaction of its own
            made = await rows_of(connection, Statement(_INSERT, values))
        if not made:
            response.status_code = 409
        return {"id": made[0].id if made else None}

    return app


def main() -> None:
    """Serve until told to end."""
    app = partial(create_ceiling_app, os.environ["DATABASE_URL"], bays=int(os.environ["CEILING_BAYS"]))
    config = uvicorn.Config(app, factory=True, workers=WORKERS, log_level="warning", timeout_worker_healthcheck=30)
    with open_door() as door:
        Multiprocess(config, sockets=[door]).run()


if __name__ == "__main__":
    main()
