"""How many cars leave late, and what came of it: `baytide overstays`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from api.cli.tables import percent, table_of

commands = typer.Typer()
_DAY = ["%Y-%m-%d"]


@commands.command()
def overstays(
    neighbourhood: Annotated[str, typer.Argument(help="A neighbourhood of the service, by its address word.")],
    *,
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="First morning.", show_default=False)],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="Last morning.", show_default=False)],
) -> None:
    """Tell the overstay rate and minutes of some mornings, and the strikes that came of them."""
    from api.db.preparing import open_database
    from api.jobs.queries import work
    from api.neighbourhoods.queries import get_neighbourhood
    from api.overstays.late_cars import overstay_figures
    from api.settings import Settings

    with open_database(Settings()) as engine, work(engine) as connection:
        found = get_neighbourhood(connection, neighbourhood)
        figures = overstay_figures(connection, found.id, first=first.date(), last=last.date())
    minutes = "–" if figures.mean_late_min is None else f"{figures.mean_late_min:.0f} min"
    typer.echo(
        f"{figures.cars:,} cars seen, {figures.late:,} beyond the grace ({percent(figures.overstay_rate)}); "
        f"those late {minutes} on average"
    )
    if figures.strikes:
        typer.echo(table_of(["consequence", "strikes", "lifted", "appeals"], [list(row) for row in figures.strikes]))
