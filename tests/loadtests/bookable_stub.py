"""
A service that knows one thing: forty bays a run, and who asks first; for tests of those who generate load.

    python -m tests.loadtests.bookable_stub

Every request key is answered once; `{"confirm": false}` holds. It keeps no rule of booking: what is tested with it is
whether generators ask as they should, and tell truly what they were answered.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header, Response

from loadtests.loopback import open_door

BAYS = 40


def create_stub() -> FastAPI:
    """Build the app."""
    app = FastAPI(openapi_url=None)
    numbers = itertools.count(1)
    keys: dict[str, set[str]] = defaultdict(set)

    @app.get("/readyz")
    async def get_readiness() -> dict[str, int]:
        return {run: len(asked) for run, asked in keys.items()}

    @app.get("/healthz")
    async def get_health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/bookings", status_code=201)
    async def post_booking(
        wanted: dict[str, Any],
        response: Response,
        key: Annotated[str, Header(alias="Idempotency-Key")],
        token: Annotated[str, Header(alias="Authorization")],
    ) -> dict[str, Any]:
        asked = keys[key.rpartition("-")[0]]
        if key in asked or not token.startswith("Bearer "):
            response.status_code = 422
            return {}
        asked.add(key)
        if len(asked) > BAYS:
            response.status_code = 409
            return {"alternatives": [{"facility": 1}]}
        return {"id": next(numbers), "state": "confirmed" if wanted["confirm"] else "held"}

    @app.post("/v1/bookings/{booking}/{change}")
    async def post_change(booking: int, change: str) -> dict[str, Any]:
        return {"id": booking, "state": "confirmed" if change == "confirm" else "cancelled"}

    @app.get("/v1/{rest:path}")
    async def get_anything(rest: str) -> dict[str, Any]:
        return {"features": [{"properties": {"id": 1}}], "asked": rest}

    return app


if __name__ == "__main__":
    with open_door() as door:
        uvicorn.Server(uvicorn.Config(create_stub(), log_level="warning")).run(sockets=[door])
