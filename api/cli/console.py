"""How commands speak: words and faults on stderr, JSON on stdout, a moving line on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

MOST_FAULTS_SHOWN = 2000


def complain(words: str) -> None:
    """Say something on stderr."""
    typer.echo(words, err=True)


def complain_of(faults: Sequence[object]) -> None:
    """Name faults on stderr, one a line; no terminal is flooded."""
    for fault in faults[:MOST_FAULTS_SHOWN]:
        complain(str(fault))
    if len(faults) > MOST_FAULTS_SHOWN:
        complain(f"… and {len(faults) - MOST_FAULTS_SHOWN} more faults")


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object and nothing else."""
    typer.echo(json.dumps(content, ensure_ascii=False, indent=2))


@contextmanager
def progress() -> Iterator[Callable[[str, str], None]]:
    """Say (stage, words) as a moving line on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _stage, _words: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[stage]:<6}"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", stage="", total=None)
        yield lambda stage, words: bar.update(task, description=words, stage=stage)
