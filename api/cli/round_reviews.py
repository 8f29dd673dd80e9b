"""Commands that review a round: applications, outcomes, compare, decisions, lock, reject, undo, report."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.console import print_json
from api.cli.options import MOST_ID, AsJson, RoundNumber
from api.cli.tables import number as name_of

if TYPE_CHECKING:
    from api.rounds.allocation_schemas import OutcomeOut

commands = typer.Typer()
Application = Annotated[int, typer.Argument(help="Number of the application.", min=1, max=MOST_ID, show_default=False)]
AtFacility = Annotated[int, typer.Option("--facility", min=1, max=MOST_ID, help="Number of it.", show_default=False)]
Note = Annotated[str, typer.Option(help="Why; counted in public, read by planners only.", show_default=False)]


class Served(StrEnum):
    """Whether a plan gives an application a bay."""

    served = "served"
    unserved = "unserved"


@commands.command("applications")
def list_applications(
    number: RoundNumber,
    *,
    after: Annotated[int, typer.Option(min=0, max=MOST_ID, help="Only applications with higher numbers.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most rows.")] = 100,
    as_json: AsJson = False,
) -> None:
    """
    List the applications of a round in the order they came; not whose they are.

    Example: baytide rounds applications 3 --limit 1000
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.rounds.application_queries import list_of_round
    from api.rounds.application_schemas import application_out
    from api.rounds.queries import get_round

    with acting_as_planner() as acting:
        get_round(acting.connection, number)
        rows = list_of_round(acting.connection, number, after=after, limit=limit)
        found = [application_out(row) for row in rows]
    print_list(
        found,
        ("application", "state", "days", "arrive", "leave", "claims", "tier", "waited", "documents"),
        lambda one: (
            name_of(one.id),
            one.state,
            one.days,
            one.arrive,
            one.leave,
            one.claimed_tier,
            one.tier,
            one.rounds_waited,
            " ".join(document.kind for document in one.documents),
        ),
        as_json=as_json,
    )


@commands.command("outcomes")
def list_outcomes(
    number: RoundNumber,
    *,
    plan: Annotated[int, typer.Option(min=1, max=MOST_ID, help="Which of its plans.", show_default=False)],
    only: Annotated[
        Served | None, typer.Option(help="Only those with a bay, or those without.", show_default=False)
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Only those refused for this reason.", show_default=False)] = None,
    facility: Annotated[
        int | None, typer.Option(min=1, max=MOST_ID, help="Only those given a bay there.", show_default=False)
    ] = None,
    before: Annotated[
        int | None, typer.Option(min=1, max=MOST_ID, help="Only applications with lower numbers.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most rows.")] = 100,
    as_json: AsJson = False,
) -> None:
    """
    List what a plan says of each application, the newest applications first.

    Example: baytide rounds outcomes 3 --plan 7 --only unserved
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.rounds import allocation_queries as queries
    from api.rounds.allocation_schemas import outcome_out

    with acting_as_planner() as acting:
        queries.get_plan(acting.connection, plan, of=number)
        rows = queries.list_outcomes(
            acting.connection,
            plan,
            served=None if only is None else only is Served.served,
            reason=reason,
            facility=facility,
            before=before or MOST_ID,
            limit=limit,
        )
        found = [outcome_out(row) for row in rows]
    print_list(
        found,
        ("application", "tier", "facility", "bay group", "walk, m", "reason"),
        _outcome_cells,
        as_json=as_json,
    )


def _outcome_cells(one: OutcomeOut) -> tuple[str | int | None, ...]:
    return name_of(one.application), one.tier, name_of(one.facility), one.bay_group, one.walk_m, one.reason


@commands.command("compare")
def compare(
    number: RoundNumber,
    before: Annotated[int, typer.Argument(help="The earlier plan.", min=1, max=MOST_ID, show_default=False)],
    after: Annotated[int, typer.Argument(help="The later plan.", min=1, max=MOST_ID, show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """
    Say what has changed between two plans of a round: households gained, lost and moved, walks and value.

    Example: baytide rounds compare 3 6 7
    """
    from api.cli.acting import acting_as_planner
    from api.cli.tables import table_of
    from api.rounds.comparing import compare_plans

    with acting_as_planner() as acting:
        found = compare_plans(acting.connection, before, after, of=number)
    if as_json:
        print_json(found)
        return
    head = ("tier", "served before", "after", "gained", "lost", "moved", "walk change, m")
    rows: list[dict[str, Any]] = [*found["by_tier"], {**found, "tier": "all"}]
    names = ("served_before", "served_after", "gained", "lost", "moved", "walk_change_m")
    typer.echo(table_of(head, [(str(row["tier"]), *(row[name] for name in names)) for row in rows]))
    typer.echo(f"value: {found['value_before_m']:,} m before, {found['value_after_m']:,} m after")


@commands.command("decisions")
def list_decisions(number: RoundNumber, *, as_json: AsJson = False) -> None:
    """
    List locks and rejections of a round's review, the oldest first.

    Example: baytide rounds decisions 3
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.rounds import allocation_queries as queries
    from api.rounds.allocation_schemas import decision_out

    with acting_as_planner() as acting:
        queries.get_round(acting.connection, number)
        found = [decision_out(row) for row in queries.list_decisions(acting.connection, number)]
    print_list(
        found,
        ("decision", "application", "says", "facility", "note", ""),
        lambda one: (
            name_of(one.id),
            name_of(one.application),
            one.decision,
            name_of(one.facility),
            one.note,
            "" if one.in_force else "not in force",
        ),
        as_json=as_json,
    )


@commands.command("lock")
def lock(number: RoundNumber, application: Application, *, facility: AtFacility, note: Note) -> None:
    """
    Lock an application to a facility; the next allocation keeps to it.

    Example: baytide rounds lock 3 4711 --facility 2 --note "needs the lift"
    """
    _decide(number, application=application, decision="lock", facility=facility, note=note)


@commands.command("reject")
def reject(
    number: RoundNumber,
    application: Application,
    *,
    facility: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_ID, help="Only there; no bay at all without.", show_default=False),
    ] = None,
    note: Note,
) -> None:
    """
    Keep an application from a facility, or from every bay; the next allocation keeps to it.

    Example: baytide rounds reject 3 4711 --note "applied twice"
    """
    _decide(number, application=application, decision="reject", facility=facility, note=note)


@commands.command("undo")
def undo(
    number: RoundNumber,
    decision: Annotated[
        int, typer.Argument(help="Number of the decision, as `decisions` shows it.", min=1, max=MOST_ID)
    ],
) -> None:
    """
    Take a lock or a rejection back; the next allocation is free of it.

    Example: baytide rounds undo 3 12
    """
    from api.cli.acting import acting_as_planner
    from api.rounds.review import undo as run

    with acting_as_planner() as acting:
        run(acting.connection, number, decision, account_id=None)
    typer.echo(f"undone: decision {decision}")


@commands.command("report")
def report(number: RoundNumber) -> None:
    """
    Print the public report of a published round as JSON: sums, the draw and the hashes.

    Example: baytide rounds report 3 > report.json
    """
    from api.cli.acting import acting_as_planner
    from api.rounds.allocation_errors import ReportNotFound
    from api.rounds.allocation_queries import find_report

    with acting_as_planner() as acting:
        found = find_report(acting.connection, number)
    if found is None:
        raise ReportNotFound(f"nothing of round {number} is published")
    print_json(found)


def _decide(number: int, **said: object) -> None:
    from api.cli.acting import acting_as_planner
    from api.cli.reading import read_words
    from api.rounds.allocation_schemas import DecisionIn
    from api.rounds.review import Decision, decide

    wanted = read_words(DecisionIn, said)
    decision = Decision(wanted.application, wanted.decision, wanted.facility, wanted.note)
    with acting_as_planner() as acting:
        made = decide(acting.connection, number, decision, decided_by=None, now=acting.now)
    typer.echo(f"decided: {wanted.decision} {wanted.application} (decision {made}); `baytide rounds allocate {number}`")
