"""Questions about a whole table, such as all applications of a round."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

_SET = text("SELECT set_config('enable_nestloop', 'off', true), set_config('work_mem', '64MB', true)")
_RESET = (text("SET LOCAL enable_nestloop TO DEFAULT"), text("SET LOCAL work_mem TO DEFAULT"))


@contextmanager
def reading_whole_tables(connection: Connection) -> Iterator[None]:
    """
    Let tables be read whole for a while, and sorted and joined in memory.

    The database guesses few rows where row security hides how many there are, or while a table is new, and would look
    them up one by one: that takes minutes where there are many.
    """
    connection.execute(_SET)
    yield  # after an error the transaction is over, and the settings with it
    for statement in _RESET:
        connection.execute(statement)
