"""Commands about permits: list, show, nights, give-back, take-back, end."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.options import MOST_ID, AsJson
from api.cli.tables import minute

if TYPE_CHECKING:
    from api.cli.acting import Acting

commands = typer.Typer()
permits = typer.Typer(help="Permits and offers of households.", no_args_is_help=True)
commands.add_typer(permits, name="permits")
_DAY = ["%Y-%m-%d"]

Neighbourhood = Annotated[str, typer.Argument(help="Name of the neighbourhood as in addresses.", show_default=False)]
PermitNumber = Annotated[
    int, typer.Argument(help="Id of the permit, as `list` shows it.", min=1, max=MOST_ID, show_default=False)
]


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
    """
    List permits and offers of a neighbourhood, the newest first; households by number only.

    Example: baytide permits list town --state active
    """
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
    """
    Show a permit or an offer as JSON, with how many nights it takes.

    Example: baytide permits show 12
    """
    from api.cli.acting import acting_as_planner
    from api.permits.queries import find_permit
    from api.permits.service import PermitNotFound

    with acting_as_planner() as acting:
        row = find_permit(acting.connection, permit)
    if row is None:
        raise PermitNotFound(f"no permit {permit}")
    typer.echo(json.dumps(dict(row._mapping), ensure_ascii=False, default=str, indent=1))


@permits.command("nights")
def list_nights(permit: PermitNumber, *, as_json: AsJson = False) -> None:
    """
    List the nights of the coming two weeks with the bay of each.

    Example: baytide permits nights 12
    """
    from zoneinfo import ZoneInfo

    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.permits.queries import list_stays
    from api.permits.schemas import night_out
    from api.permits.service import get_permit

    with acting_as_planner() as acting:
        household = _act_for_its_household(acting, permit)
        zone = ZoneInfo(get_permit(acting.connection, permit, household_id=household).timezone)
        found = [night_out(row) for row in list_stays(acting.connection, permit, now=acting.now)]
    print_list(
        found,
        ("night", "state", "bay", "from", "to"),
        lambda one: (
            one.night.isoformat(),
            one.state,
            one.number,
            minute(one.start.astimezone(zone)),
            minute(one.end.astimezone(zone)),
        ),
        as_json=as_json,
    )


@permits.command("give-back")
def give_back(
    permit: PermitNumber,
    *,
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="First night.", show_default=False)],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="Last night.", show_default=False)],
) -> None:
    """
    Free a permit's bay for others on some nights, as its household has asked at the counter; the household is told.

    Example: baytide permits give-back 12 --from 2026-12-24 --to 2026-12-27
    """
    from api.cli.acting import acting_as_planner
    from api.permits.service import give_back_nights

    with acting_as_planner() as acting:
        household = _act_for_its_household(acting, permit)
        _, freed = give_back_nights(
            acting.connection,
            permit,
            household_id=household,
            first=first.date(),
            last=last.date(),
            now=acting.now,
        )
    typer.echo(f"given back: {first.date()} to {last.date()}; {freed} nights are free for bookings at once")


@permits.command("take-back")
def take_back(
    permit: PermitNumber,
    *,
    first: Annotated[
        datetime, typer.Option("--from", formats=_DAY, help="First night of those given back.", show_default=False)
    ],
) -> None:
    """
    Take nights back that were given back, as far as nobody has booked all bays meanwhile.

    Example: baytide permits take-back 12 --from 2026-12-24
    """
    from api.cli.acting import acting_as_planner
    from api.permits.service import take_back_nights

    with acting_as_planner() as acting:
        household = _act_for_its_household(acting, permit)
        _, gone = take_back_nights(
            acting.connection, permit, household_id=household, first=first.date(), now=acting.now
        )
    typer.echo(f"taken back; without a bay by now: {', '.join(map(str, gone)) or 'none'}")


@permits.command("end")
def end_permit(
    permit: PermitNumber,
    *,
    reason: Annotated[Reason, typer.Option(help="Why it ends.")] = Reason.given_up,
) -> None:
    """
    End a permit from tomorrow's night on: its household is told, and the next on the waitlist follows.

    Example: baytide permits end 12 --reason ineligible
    """
    from api.cli.acting import acting_as_planner
    from api.permits.service import end_by_planner

    with acting_as_planner() as acting:
        ended = end_by_planner(acting.connection, permit, reason=reason, now=acting.now)
    typer.echo(f"ended: permit {permit} ({ended.end_reason})")


def _act_for_its_household(acting: Acting, permit: int) -> int:
    """Go on in the name of a permit's household, and return its id; raise PermitNotFound without the permit."""
    from api.cli.acting import act_for_household
    from api.permits.queries import find_permit
    from api.permits.service import PermitNotFound

    row = find_permit(acting.connection, permit)
    if row is None:
        raise PermitNotFound(f"no permit {permit}")
    act_for_household(acting.connection, row.household_id)
    return int(row.household_id)
