"""Whether the service runs, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from api.dependencies import Connected

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """One word."""

    status: str


@router.get("/healthz", summary="Whether the process runs")
def get_health() -> Health:
    """Answer without asking anybody."""
    return Health(status="ok")


@router.get("/readyz", summary="Whether the database answers and is migrated")
def get_readiness(connection: Connected) -> Health:
    """Read the schema's version."""
    connection.execute(text("SELECT version_num FROM alembic_version")).one()
    return Health(status="ready")
