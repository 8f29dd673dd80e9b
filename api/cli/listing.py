"""Lists that commands print: a table for people, one JSON array for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import typer

from api.cli.tables import Cell, table_of

if TYPE_CHECKING:
    from pydantic import BaseModel

Shown = TypeVar("Shown", bound="BaseModel")


def print_list(
    found: Sequence[Shown], head: Sequence[str], cells: Callable[[Shown], Sequence[Cell]], *, as_json: bool
) -> None:
    """Print what the API lists: as JSON in the API's own fields, or under a head with a row of cells for each."""
    if as_json:
        rows = [one.model_dump(mode="json", by_alias=True) for one in found]
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        typer.echo(table_of(head, [cells(one) for one in found]))


def print_one(found: BaseModel) -> None:
    """Print one thing as JSON in the API's own fields."""
    typer.echo(found.model_dump_json(indent=2, by_alias=True))
