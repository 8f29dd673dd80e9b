"""How commands speak: words and faults on stderr, JSON on stdout, a moving line on a terminal."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

MOST_FAULTS_SHOWN = 2000
_NOTED_EVERY_S = 0.25


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
def progress(note: Path | None = None) -> Iterator[Callable[[str, str], None]]:
    """Say (stage, words) as a moving line on a terminal, or keep the newest in a file; nothing in a pipe."""
    if note is not None:
        yield Note(note)
        return
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


class Note:
    """Keeps the newest step in a file that is always whole, `{"stage": …, "words": …}`; four times a second at most."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stage = ""
        self._written_s = 0.0

    def __call__(self, stage: str, words: str) -> None:
        """Note a step; the first of a stage always, the others only when the last is old."""
        now_s = time.monotonic()
        if stage == self._stage and now_s - self._written_s < _NOTED_EVERY_S:
            return
        self._stage, self._written_s = stage, now_s
        unfinished = self._path.with_name(f".{self._path.name}.unfinished")
        unfinished.write_text(json.dumps({"stage": stage, "words": words}, ensure_ascii=False), encoding="utf-8")
        unfinished.replace(self._path)


def log_events() -> None:
    """Write what happens to stdout, one line an event; of libraries only what needs somebody's attention."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("baytide").setLevel(logging.INFO)
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # its own words on a failed job double ours
