"""Rows by the million: frames into tables through COPY."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Connection, Table, text

from api.errors import ApiError


class UnstorableText(ApiError):
    """A text with a zero character, which PostgreSQL cannot keep."""


def reserve_ids(connection: Connection, table: Table, *, count: int) -> pl.Series:
    """
    Take `count` ids of a table's identity column, in order, so that references can be made before the rows are there.

    Two transactions may reserve at once: the sequence is read and moved under a lock that ends with the transaction.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:table))"), {"table": f"reserve_ids {table.name}"})
    sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name})
    first = connection.scalar(text("SELECT nextval(:sequence)"), {"sequence": sequence}) or 0
    last = first + max(count, 1) - 1
    connection.execute(text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})
    return pl.int_range(first, first + count, eager=True, dtype=pl.Int64()).alias("id")


def copy_rows(connection: Connection, table: Table, frame: pl.DataFrame) -> int:
    """
    Append a frame's rows to a table; columns are matched by name, null is NULL and an empty text stays empty.

    Raises
    ------
    UnstorableText
        A text holds a zero character.
    """
    # Every text is quoted and null is not, which is how COPY tells the two apart.
    content = frame.write_csv(include_header=False, quote_style="non_numeric", null_value="").encode()
    if b"\x00" in content:
        raise UnstorableText(f"{table.name}: a text holds a zero character, which cannot be stored; remove it")
    columns = ", ".join(f'"{name}"' for name in frame.columns)
    cursor = connection.connection.cursor()
    with cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT csv)') as copy:
        copy.write(content)
    return frame.height
