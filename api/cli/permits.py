"""Commands about permits and the waitlist: list, show, end; who waits where, and who follows."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from api.cli.options import AsJson

commands = typer.Typer()
permits = typer.Typer(help="Permits and offers of households.", no_args_is_help=True)
waitlist = typer.Typer(help="Who waits for which bays.", no_args_is_help=True)
commands.add_typer(permits, name="permits")
commands.add_typer(waitlist, name="waitlist")

Neighbourhood = Annotated[str, typer.Argument(help="Name of the neighbourhood as in addresses.", show_default=False)]
PermitNumber = Annotated[int, typer.Argument(help="Id of the permit, as `list` shows it.", min=1, show_default=False)]


class State(StrEnum):
    """A permit waits for an answer, is in force, or is over."""

    offered = "offered"
    active = "active"
    ended = "ended"


class Reason(StrEnum):
    """Why somebody at the machine ends a permit."""

    given_up = "given_up"
    strikes = "strikes"
    ineligible = "ineligible"


@permits.command("list")
def list_permits(
    neighbourhood: Neighbourhood,
    *,
    state: Annotated[State | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(help="Most rows.", min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List permits and offers of a neighbourhood, the newest first; households by number only."""
    from api.cli.acting import acting_as_planner
    from api.cli.tables import table_of
    from api.neighbourhoods.queries import get_neighbourhood
    from api.permits.queries import list_permits_of

    with acting_as_planner() as acting:
        place = get_neighbourhood(acting.connection, neighbourhood)
        rows = list_permits_of(acting.connection, place.id, state=state, limit=limit)
    if as_json:
        typer.echo(json.dumps([dict(row._mapping) for row in rows], ensure_ascii=False, default=str))
        return
    head = ("permit", "state", "household", "facility", "bay group", "first", "last", "days")
    typer.echo(
        table_of(
            head,
            [
                (
                    str(row.id),
                    row.end_reason or row.state,
                    str(row.household_id),
                    row.name,
                    row.bay_group,
                    row.first.isoformat(),
                    row.last.isoformat(),
                    row.days,
                )
                for row in rows
            ],
        )
    )


@permits.command("show")
def show_permit(permit: PermitNumber) -> None:
    """Show a permit or an offer as JSON, with how many nights it takes."""
    from api.cli.acting import acting_as_planner
    from api.permits.queries import find_permit
    from api.permits.service import PermitNotFound

    with acting_as_planner() as acting:
        row = find_permit(acting.connection, permit)
    if row is None:
        raise PermitNotFound(f"no permit {permit}")
    typer.echo(json.dumps(dict(row._mapping), ensure_ascii=False, default=str, indent=1))


@permits.command("end")
def end_permit(
    permit: PermitNumber,
    *,
    reason: Annotated[Reason, typer.Option(help="Why it ends.")] = Reason.given_up,
) -> None:
    """End a permit from tomorrow's night on: its household is told, and the next on the waitlist follows."""
    from api.cli.acting import acting_as_planner
    from api.permits.service import end_by_planner

    with acting_as_planner() as acting:
        ended = end_by_planner(acting.connection, permit, reason=reason, now=acting.now)
    typer.echo(f"ended: permit {permit} ({ended.end_reason})")


@waitlist.command("list")
def list_queues(neighbourhood: Neighbourhood, *, as_json: AsJson = False) -> None:
    """Count who waits for each bay group of a neighbourhood, the longest queue first."""
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


@waitlist.command("follow")
def follow_at(
    neighbourhood: Neighbourhood,
) -> None:
    """Offer whatever is free to those who wait; after bays were added by hand, say."""
    from api.cli.acting import acting_as_planner
    from api.neighbourhoods.queries import get_neighbourhood
    from api.waitlist.queries import list_lengths
    from api.waitlist.service import follow

    with acting_as_planner() as acting:
        place = get_neighbourhood(acting.connection, neighbourhood)
        groups = sorted({row.bay_group_id for row in list_lengths(acting.connection, place.id)})
        made = follow(acting.connection, groups, now=acting.now)
    typer.echo(f"offers: {len(made)}")
