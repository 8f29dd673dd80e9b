"""The command that lives through a season: simulate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import CHECK_FAILED

commands = typer.Typer()


@commands.command()
def simulate(
    *,
    days: Annotated[
        int, typer.Option(min=1, max=720, help="From the first evening on; every 90 days another term.")
    ] = 90,
    seed: Annotated[int, typer.Option(min=0, help="The same seed lives the same season.")] = 0,
    demands: Annotated[int | None, typer.Option(min=1, help="Households that ask.", show_default="1400")] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write figures and broken rules here.", dir_okay=False, show_default=False),
    ] = None,
) -> None:
    """
    Live through a season of Siping Road on a database of its own, and print its figures.

    Exit 1 where a rule was broken: then the service is at fault.
    """
    from api.cli.console import progress
    from api.simulation.running import simulate as run
    from api.simulation.telling import lines_of

    with progress() as told:
        lived = run(days=days, seed=seed, demands=demands, progress=lambda words: told("season", words))
    if json_file is not None:
        json_file.write_text(json.dumps(lived.report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    for line in lines_of(lived):
        typer.echo(line)
    if lived.broken:
        raise typer.Exit(CHECK_FAILED)
