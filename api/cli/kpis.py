"""The figures of a neighbourhood: `baytide kpis`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

commands = typer.Typer()
_DAY = ["%Y-%m-%d"]


@commands.command()
def kpis(
    neighbourhood: Annotated[
        str, typer.Argument(help="Name of the neighbourhood as in addresses.", show_default=False)
    ],
    *,
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="First day, local.", show_default=False)],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="Last day, local.", show_default=False)],
) -> None:
    """
    Print a neighbourhood's figures of a period as JSON, counted from what happened.

    Example: baytide kpis town --from 2026-12-01 --to 2026-12-31 > december.json
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_one
    from api.kpis.schemas import LONGEST_DAYS, shown_kpis
    from api.neighbourhoods.queries import get_neighbourhood

    if not 0 <= (last - first).days <= LONGEST_DAYS:
        raise typer.BadParameter(f"--to must not lie before --from, and at most {LONGEST_DAYS} days after it")
    with acting_as_planner() as acting:
        place = get_neighbourhood(acting.connection, neighbourhood)
        found = shown_kpis(acting.connection, place, first=first.date(), last=last.date())
    print_one(found)
