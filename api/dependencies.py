"""What requests need, handed to their routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection


def _connection(request: Request) -> Iterator[Connection]:
    """Open one transaction for a request; reading ones are rolled back at its end."""
    with request.app.state.engine.connect() as connection:
        yield connection


Connected = Annotated[Connection, Depends(_connection)]
