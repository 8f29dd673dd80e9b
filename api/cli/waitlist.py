"""Commands about the waitlist: list, show, calibration, follow."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from api.cli.options import MOST_ID, AsJson

commands = typer.Typer()
_waitlist = typer.Typer(help="Who waits for which bays.", no_args_is_help=True)
commands.add_typer(_waitlist, name="waitlist")
Neighbourhood = Annotated[str, typer.Argument(help="Name of the neighbourhood as in addresses.", show_default=False)]


@_waitlist.command("list")
def list_queues(neighbourhood: Neighbourhood, *, as_json: AsJson = False) -> None:
    """
    Count who waits for each bay group of a neighbourhood, the longest queue first.

    Example: baytide waitlist list town
    """
    from api.cli.acting import acting_as_planner
    from api.cli.tables import table_of
    from api.neighbourhoods.queries import get_neighbourhood
    from api.waitlist.queries import list_lengths
    from api.waitlist.schemas import queue_out

    with acting_as_planner() as acting:
        place = get_neighbourhood(acting.connection, neighbourhood)
        queues = [queue_out(row) for row in list_lengths(acting.connection, place.id)]
    if as_json:
        typer.echo(json.dumps([queue.model_dump(mode="json") for queue in queues], ensure_ascii=False))
        return
    head = ("round", "facility", "bay group", "waiting", "offered", "served", "left", "bays that came free")
    rows = [(str(q.round), q.name, q.bay_group, q.waiting, q.offered, q.served, q.left, q.releases) for q in queues]
    typer.echo(table_of(head, rows))


@_waitlist.command("show")
def show_place(
    application: Annotated[
        int, typer.Argument(help="Number of the application.", min=1, max=MOST_ID, show_default=False)
    ],
) -> None:
    """
    Show as JSON where an application stands: its position at each place, the newest dates, and who was let past.

    Example: baytide waitlist show 4711
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_one
    from api.rounds.application_queries import get_application
    from api.waitlist.errors import EntryNotFound
    from api.waitlist.queries import list_entries
    from api.waitlist.schemas import shown_entry

    with acting_as_planner() as acting:
        applied = get_application(acting.connection, application)
        rows = list_entries(acting.connection, applied.household_id)
        found = [shown_entry(acting.connection, row) for row in rows if row.application_id == application]
    if not found:
        raise EntryNotFound(f"application {application} is on no waitlist")
    print_one(found[0])


@_waitlist.command("calibration")
def tell_calibration(
    number: Annotated[int, typer.Argument(help="Number of the round.", metavar="round", min=1, max=MOST_ID)],
    *,
    as_json: AsJson = False,
) -> None:
    """
    Say how right the dates were that those who waited in a round were told.

    Example: baytide waitlist calibration 3
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_one
    from api.cli.tables import percent
    from api.waitlist.estimating import calibration_of
    from api.waitlist.schemas import calibration_out

    with acting_as_planner() as acting:
        found = calibration_of(acting.connection, round_id=number, now=acting.now)
    if as_json:
        print_one(calibration_out(found))
        return
    typer.echo(f"{found.estimates:,} pairs of dates; of {found.censored:,} the wait ended otherwise or goes on")
    typer.echo(
        f"reached by the first date {percent(found.reached_by_p50)}, by the second {percent(found.reached_by_p90)}"
    )


@_waitlist.command("follow")
def follow_at(
    neighbourhood: Neighbourhood,
) -> None:
    """
    Offer whatever is free to those who wait; after bays were added by hand, say.

    Example: baytide waitlist follow town
    """
    from api.cli.acting import acting_as_planner
    from api.neighbourhoods.queries import get_neighbourhood
    from api.waitlist.queries import list_lengths
    from api.waitlist.service import follow

    with acting_as_planner() as acting:
        place = get_neighbourhood(acting.connection, neighbourhood)
        groups = sorted({row.bay_group_id for row in list_lengths(acting.connection, place.id)})
        made = follow(acting.connection, groups, now=acting.now)
    typer.echo(f"offers: {len(made)}")
