"""Statements that go to the driver as they are: those that are asked for more often than anything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row


@dataclass(frozen=True, slots=True)
class Statement:
    """What the database is asked, as its driver takes it."""

    sql: str
    values: dict[str, Any]


async def rows_of(connection: AsyncConnection[Any], statement: Statement) -> list[Any]:
    """Ask for rows; their columns are their attributes."""
    async with connection.cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(statement.sql, statement.values)
        return await cursor.fetchall()
