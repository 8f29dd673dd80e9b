"""Commands about rounds: draft, edit, open, number, delay, cancel, show, list, allocate, plans, publish."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from api.cli import round_reviews
from api.cli.options import MOST_ID, AsJson, RoundNumber

commands = typer.Typer()
rounds = typer.Typer(help="Rounds: dates, applications, the draw, and what was published.", no_args_is_help=True)
rounds.add_typer(round_reviews.commands)
commands.add_typer(rounds, name="rounds")

_UNDER_WAY, _LOOKED_EVERY_S = ("queued", "running"), 0.5
Neighbourhood = Annotated[str, typer.Argument(help="Name of the neighbourhood as in addresses.", show_default=False)]
RoundFile = Annotated[
    Path,
    typer.Argument(
        help="The round as JSON or TOML, with the fields of POST /v1/neighbourhoods/…/rounds.",
        show_default=False,
        dir_okay=False,
        exists=True,
        readable=True,
    ),
]


@rounds.command("list")
def list_rounds(
    neighbourhood: Neighbourhood,
    *,
    as_json: AsJson = False,
) -> None:
    """
    List the rounds of a neighbourhood, the newest first.

    Example: baytide rounds list town
    """
    from api.cli.acting import acting_as_planner
    from api.neighbourhoods.queries import get_neighbourhood
    from api.rounds.queries import list_rounds as run
    from api.rounds.schemas import round_out

    with acting_as_planner() as acting:
        place = get_neighbourhood(acting.connection, neighbourhood)
        found = [round_out(row, secret=None) for row in run(acting.connection, place.id)]
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], ensure_ascii=False))
        return
    for one in found:
        typer.echo(
            f"{one.id:>6}  {one.state:<10} {one.first} – {one.last}  closes {one.closes_at:%Y-%m-%d}  {one.name}"
        )


@rounds.command("draft")
def draft_round(neighbourhood: Neighbourhood, file: RoundFile) -> None:
    """
    Draft a round from a file; nobody but planners sees it until it is opened.

    Example: baytide rounds draft town round.json
    """
    from api.cli.acting import acting_as_planner
    from api.cli.reading import read_document, read_words
    from api.rounds.schemas import RoundIn
    from api.rounds.service import create_round

    wanted = read_words(RoundIn, read_document(file), source=str(file))
    with acting_as_planner() as acting:
        row = create_round(acting.connection, neighbourhood, wanted.draft(), account_id=None, now=acting.now)
    typer.echo(f"drafted: round {row.id}; `baytide rounds open {row.id}` makes its dates public")


@rounds.command("edit")
def edit_round(number: RoundNumber, file: RoundFile) -> None:
    """
    Change a draft to what a file says, `version` as `show` has it; the dates of rounds that are open are kept.

    Example: baytide rounds edit 3 round.json
    """
    from api.cli.acting import acting_as_planner
    from api.cli.reading import read_document, read_words
    from api.rounds.schemas import RoundEdit
    from api.rounds.service import edit_round as run

    wanted = read_words(RoundEdit, read_document(file), source=str(file))
    with acting_as_planner() as acting:
        row = run(acting.connection, number, wanted.draft(), version=wanted.version, now=acting.now)
    typer.echo(f"changed: round {row.id}, version {row.version}")


@rounds.command("open")
def open_round(number: RoundNumber) -> None:
    """
    Make the dates of a draft public for good, commit to a secret, and reserve its bays.

    Example: baytide rounds open 3
    """
    from api.cli.acting import acting_as_planner
    from api.rounds.service import open_round as run

    with acting_as_planner() as acting:
        row = run(acting.connection, acting.keys, number, now=acting.now)
    typer.echo(f"open: applications from {row.opens_at.isoformat()} to {row.closes_at.isoformat()}")
    typer.echo(f"commitment: {bytes(row.commitment).hex()}")


@rounds.command("number")
def enter_number(
    number: RoundNumber,
    drawn: Annotated[str, typer.Argument(help="The public number, as its source writes it.", show_default=False)],
) -> None:
    """
    Note the public number that was drawn after closing; the seed of the draw follows.

    Example: baytide rounds number 3 3894.21
    """
    from api.cli.acting import acting_as_planner
    from api.rounds.service import enter_number as run

    with acting_as_planner() as acting:
        row = run(acting.connection, acting.keys, number, number=drawn, now=acting.now)
    typer.echo(f"seed: {row.seed}")


@rounds.command("cancel")
def cancel_round(
    number: RoundNumber,
    *,
    reason: Annotated[str, typer.Option(help="Why, as applicants will read it.", show_default=False)],
) -> None:
    """
    Call a round off before it is published.

    Example: baytide rounds cancel 3 --reason "the garage was sold"
    """
    from api.cli.acting import acting_as_planner
    from api.rounds.service import cancel_round as run

    with acting_as_planner() as acting:
        run(acting.connection, number, reason=reason, now=acting.now)
    typer.echo("called off; its applicants are told")


@rounds.command("delay")
def delay_round(
    number: RoundNumber,
    *,
    until: Annotated[str, typer.Option(help="When it is published instead, with its offset: 2026-12-05T10:00+08:00.")],
    reason: Annotated[str, typer.Option(help="Why, as everybody will read it.", show_default=False)],
) -> None:
    """
    Give a round that cannot be published in time another day; its applicants are told.

    Example: baytide rounds delay 3 --until 2026-12-05T10:00+08:00 --reason "the number was late"
    """
    from api.cli.acting import acting_as_planner
    from api.cli.reading import read_words
    from api.rounds.schemas import DelayIn
    from api.rounds.service import delay_round as run

    wanted = read_words(DelayIn, {"publishes_at": until, "reason": reason})
    with acting_as_planner() as acting:
        row = run(
            acting.connection,
            number,
            until=wanted.publishes_at,
            reason=wanted.reason,
            account_id=None,
            now=acting.now,
        )
    typer.echo(f"published at {row.publishes_at.isoformat()} instead; its applicants are told")


@rounds.command("show")
def show_round(number: RoundNumber) -> None:
    """
    Show a round as JSON: dates, state, and how the draw can be repeated.

    Example: baytide rounds show 3
    """
    from api.cli.acting import acting_as_planner
    from api.rounds.queries import get_round
    from api.rounds.schemas import shown_round

    with acting_as_planner() as acting:
        shown = shown_round(acting.keys, get_round(acting.connection, number))
    typer.echo(shown.model_dump_json(indent=2))


@rounds.command("allocate")
def allocate_round(
    number: RoundNumber,
    *,
    base: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_ID, help="Plan of the round to start from; the newest without.", show_default=False
        ),
    ] = None,
    cold: Annotated[bool, typer.Option("--cold", help="Start from no plan.")] = False,
) -> None:
    """
    Make a plan of a closed round, here or by a worker that is running; nobody hears of it yet.

    Example: baytide rounds allocate 3
    """
    import asyncio

    from api.cli.acting import opened_as_planner
    from api.db.preparing import open_database
    from api.errors import NoPlan
    from api.jobs.worker import work_on
    from api.rounds.allocating import ask_for_allocation
    from api.runs.queries import get_run
    from api.settings import Settings

    with open_database(Settings()) as engine:
        with opened_as_planner(engine) as connection:
            run = ask_for_allocation(connection, number, asked_by=None, base=base, cold=cold)
        while run.state in _UNDER_WAY:
            asyncio.run(work_on(engine, wait=False))  # returns at once where another worker has taken it
            time.sleep(_LOOKED_EVERY_S)
            with opened_as_planner(engine) as connection:
                run = get_run(connection, run.id)
    if run.state != "done":
        raise NoPlan(run.said or f"the run was {run.state}")
    typer.echo(f"plan {run.plan_id}: {run.progress['words']}; `baytide rounds publish {number} --plan {run.plan_id}`")


@rounds.command("plans")
def list_plans(number: RoundNumber, *, as_json: AsJson = False) -> None:
    """
    List the plans of a round, the newest first.

    Example: baytide rounds plans 3
    """
    from api.cli.acting import acting_as_planner
    from api.rounds.allocation_queries import get_round
    from api.rounds.allocation_queries import list_plans as run
    from api.rounds.allocation_schemas import plan_out

    with acting_as_planner() as acting:
        get_round(acting.connection, number)
        found = [plan_out(row) for row in run(acting.connection, number)]
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], ensure_ascii=False))
        return
    for one in found:
        base = "" if one.base is None else f"  from plan {one.base}"
        typer.echo(
            f"{one.id:>6}  {one.served:,} of {one.demands:,} served  value {one.value_m:,} m of at most "
            f"{one.bound_m:,} m  {one.locked} locked, {one.rejected} rejected{base}"
        )


@rounds.command("publish")
def publish_round(
    number: RoundNumber,
    *,
    plan: Annotated[int, typer.Option(min=1, max=MOST_ID, help="Which of its plans.", show_default=False)],
) -> None:
    """
    Publish a plan: offers, waitlist, reasons and the public report, all of it or nothing.

    Example: baytide rounds publish 3 --plan 7
    """
    from api.cli.acting import acting_as_planner
    from api.rounds.publishing import publish_plan
    from api.rounds.queries import get_round
    from api.rounds.service import secret_of

    with acting_as_planner() as acting:
        secret = secret_of(acting.keys, get_round(acting.connection, number))
        done = publish_plan(acting.connection, number, plan, secret=secret, now=acting.now)
    typer.echo(f"published: {done.offers:,} offers, {done.waiting:,} wait, {done.refused:,} refused")
