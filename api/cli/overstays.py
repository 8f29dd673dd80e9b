"""Commands about cars that leave late: figures, late-cars, strikes, strike, decide, policy; with those of buffers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api.cli import buffers
from api.cli.options import MOST_ID, AsJson, Facility
from api.cli.tables import minute, number, percent, table_of

commands = typer.Typer()
_overstays = typer.Typer(help="Cars that leave late: who, what follows, and the buffer for them.", no_args_is_help=True)
_overstays.add_typer(buffers.commands)
commands.add_typer(_overstays, name="overstays")
_DAY = ["%Y-%m-%d"]
Neighbourhood = Annotated[str, typer.Argument(help="A neighbourhood of the service, by its address word.")]


class Decision(StrEnum):
    """The strike holds, or counts for nothing."""

    upheld = "upheld"
    lifted = "lifted"


@_overstays.command("figures")
def figures(
    neighbourhood: Neighbourhood,
    *,
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="First morning.", show_default=False)],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="Last morning.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """
    Tell the overstay rate and minutes of some mornings, and the strikes that came of them.

    Example: baytide overstays figures town --from 2026-12-01 --to 2026-12-31
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_one
    from api.neighbourhoods.queries import get_neighbourhood
    from api.overstays.late_cars import overstay_figures
    from api.overstays.schemas import figures_out

    with acting_as_planner() as acting:
        place = get_neighbourhood(acting.connection, neighbourhood)
        found = overstay_figures(acting.connection, place.id, first=first.date(), last=last.date())
    if as_json:
        print_one(figures_out(found, first=first.date(), last=last.date()))
        return
    minutes = "–" if found.mean_late_min is None else f"{found.mean_late_min:.0f} min"
    typer.echo(
        f"{found.cars:,} cars seen, {found.late:,} beyond the grace ({percent(found.overstay_rate)}); "
        f"those late {minutes} on average"
    )
    if found.strikes:
        typer.echo(table_of(["consequence", "strikes", "lifted", "appeals"], [list(row) for row in found.strikes]))


@_overstays.command("late-cars")
def late_cars(facility: Facility, *, as_json: AsJson = False) -> None:
    """
    List the plates of cars that are still there after the grace, and of those to be reviewed.

    Example: baytide overstays late-cars town/park
    """
    from zoneinfo import ZoneInfo

    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.gates.exporting import get_place
    from api.overstays.late_cars import list_late_cars
    from api.overstays.schemas import late_car_out

    with acting_as_planner() as acting:
        place = get_place(acting.connection, facility)
        zone = ZoneInfo(place.timezone)
        cars = list_late_cars(acting.connection, acting.keys, place.id, now=acting.now)
    print_list(
        [late_car_out(car) for car in cars],
        ("night", "plate", "bay", "leave by", "late, min", ""),
        lambda one: (
            number(one.stay),
            one.plate,
            one.bay,
            minute(one.leave_by.astimezone(zone)),
            one.late_min,
            "to review" if one.to_review else "",
        ),
        as_json=as_json,
    )


@_overstays.command("strikes")
def list_strikes(
    neighbourhood: Neighbourhood,
    *,
    appealed: Annotated[bool, typer.Option("--appealed", help="Only those whose appeal waits for a decision.")] = False,
    before: Annotated[
        int | None, typer.Option(min=1, max=MOST_ID, help="Only strikes with lower numbers.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most rows.")] = 100,
    as_json: AsJson = False,
) -> None:
    """
    List strikes with the words of their appeals, the newest first; of whom is not said.

    Example: baytide overstays strikes town --appealed
    """
    from zoneinfo import ZoneInfo

    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.neighbourhoods.queries import get_neighbourhood
    from api.overstays.schemas import strike_out
    from api.overstays.strike_queries import list_of_neighbourhood

    with acting_as_planner() as acting:
        place = get_neighbourhood(acting.connection, neighbourhood)
        rows = list_of_neighbourhood(
            acting.connection, place.id, appealed=appealed, before=before or MOST_ID, limit=limit
        )
    zones = {row.id: ZoneInfo(row.timezone) for row in rows}
    print_list(
        [strike_out(row) for row in rows],
        ("strike", "facility", "leave by", "late, min", "place", "act", "state", "effect", "follows", "appeal"),
        lambda one: (
            number(one.id),
            one.name,
            minute(one.leave_by.astimezone(zones[one.id])),
            one.late_min,
            one.place,
            one.act,
            one.state,
            one.effect,
            minute(one.effective_at.astimezone(zones[one.id])),
            None if one.appeal is None else f"{one.appeal.decision or 'waits'}: {one.appeal.words}",
        ),
        as_json=as_json,
    )


@_overstays.command("strike")
def strike(
    night: Annotated[
        int,
        typer.Argument(help="Number of the night, as `late-cars` shows it.", min=1, max=MOST_ID, show_default=False),
    ],
) -> None:
    """
    Strike a car that stood there for more than a day too long, once it has left and somebody has looked into it.

    Example: baytide overstays strike 4711
    """
    from api.cli.acting import acting_as_planner
    from api.overstays.striking import strike_after_review

    with acting_as_planner() as acting:
        row = strike_after_review(acting.connection, night, account_id=None, now=acting.now)
    typer.echo(f"struck: strike {row.id}, {row.act} from {row.effective_at.isoformat(timespec='minutes')}")


@_overstays.command("decide")
def decide_appeal(
    number_of_strike: Annotated[
        int,
        typer.Argument(
            metavar="strike",
            help="Number of the strike, as `strikes` shows it.",
            min=1,
            max=MOST_ID,
            show_default=False,
        ),
    ],
    decision: Annotated[Decision, typer.Argument(help="Whether the strike holds.", show_default=False)],
    *,
    note: Annotated[str, typer.Option(help="Why, as the household will read it.", show_default=False)],
) -> None:
    """
    Decide on an appeal: upheld, and the consequence follows; lifted, and what followed is undone.

    Example: baytide overstays decide 12 lifted --note "the barrier was shut until 08:40"
    """
    from api.cli.acting import acting_as_planner
    from api.cli.reading import read_words
    from api.overstays.appeals import decide
    from api.overstays.schemas import DecisionIn

    wanted = read_words(DecisionIn, {"decision": decision.value, "note": note})
    with acting_as_planner() as acting:
        decide(
            acting.connection,
            number_of_strike,
            decision=wanted.decision,
            note=wanted.note,
            account_id=None,
            now=acting.now,
        )
    typer.echo(f"{wanted.decision}: strike {number_of_strike}; its household is told")


@_overstays.command("policy")
def policy(
    neighbourhood: Neighbourhood,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Rules to set, JSON or TOML with the fields that are shown.",
            show_default=False,
            dir_okay=False,
            exists=True,
        ),
    ] = None,
) -> None:
    """
    Show as JSON what follows when a car leaves late, or set it from a file; strikes given keep their consequence.

    Example: baytide overstays policy town > policy.json; edit it; baytide overstays policy town policy.json
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_one
    from api.cli.reading import read_document, read_words
    from api.neighbourhoods.queries import get_neighbourhood
    from api.overstays.late_cars import policy_of
    from api.overstays.policy import policy_from
    from api.overstays.schemas import PolicyModel, policy_out
    from api.overstays.strike_queries import put_policy

    wanted = None if file is None else read_words(PolicyModel, read_document(file), source=str(file))
    with acting_as_planner() as acting:
        place = get_neighbourhood(acting.connection, neighbourhood)
        if wanted is not None:
            rules = policy_from(wanted.model_dump())
            put_policy(acting.connection, place.id, rules.document(), account_id=None, now=acting.now)
        found = policy_of(acting.connection, place.id)
    print_one(policy_out(found))
