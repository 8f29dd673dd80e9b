"""Exit codes, and the arguments and options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DONE, CHECK_FAILED, BAD_INPUT, NO_PLAN = 0, 1, 2, 3

Folder = Annotated[Path, typer.Argument(help="A neighbourhood folder.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
Facility = Annotated[
    str, typer.Argument(help="A facility's number, or its id as `neighbourhood/facility`.", show_default=False)
]
MOST_ID = 2**63 - 1
"""The highest number that the database gives."""
RoundNumber = Annotated[
    int, typer.Argument(help="Id of the round, as `list` shows it.", min=1, max=MOST_ID, show_default=False)
]
