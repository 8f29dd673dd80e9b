"""Commands about what owners offer: facilities drafts, draft, publish, return, history, withdrawals, call-off."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.console import complain
from api.cli.options import CHECK_FAILED, MOST_ID, AsJson
from api.cli.tables import minute_utc
from api.cli.tables import number as name_of
from api.cli.withdrawals import tell_outcome

commands = typer.Typer()
_facilities = typer.Typer(help="What owners offer: drafts, changes, and what was taken back.", no_args_is_help=True)
commands.add_typer(_facilities, name="facilities")
FacilityNumber = Annotated[
    int, typer.Argument(help="Number of the facility.", metavar="facility", min=1, max=MOST_ID, show_default=False)
]
Version = Annotated[
    int,
    typer.Option(help="The one that was looked at, as `drafts` shows it.", min=1, max=2**31 - 1, show_default=False),
]


@_facilities.command("drafts")
def list_drafts(
    neighbourhood: Annotated[
        str, typer.Argument(help="Name of the neighbourhood as in addresses.", show_default=False)
    ],
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most rows.")] = 100,
    as_json: AsJson = False,
) -> None:
    """
    List drafts of facilities, with those that wait to be published.

    Example: baytide facilities drafts town
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.facilities.supply_queries import list_drafts as run
    from api.facilities.supply_schemas import draft_out
    from api.neighbourhoods.queries import get_neighbourhood

    with acting_as_planner() as acting:
        place = get_neighbourhood(acting.connection, neighbourhood)
        found = [draft_out(row) for row in run(acting.connection, place.id, after=0, limit=limit)]
    print_list(
        found,
        ("facility", "name", "owner", "state", "version", "changed, UTC"),
        lambda one: (
            name_of(one.facility),
            str(one.feature["properties"].get("name") or one.feature["properties"].get("id")),
            name_of(one.owner),
            one.status,
            one.version,
            minute_utc(one.changed_at),
        ),
        as_json=as_json,
    )


@_facilities.command("draft")
def show_draft(number: FacilityNumber) -> None:
    """
    Show the draft of a facility as JSON.

    Example: baytide facilities draft 17
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_one
    from api.facilities.drafting import get_draft
    from api.facilities.supply_schemas import draft_out

    with acting_as_planner() as acting:
        found = draft_out(get_draft(acting.connection, number))
    print_one(found)


@_facilities.command("publish")
def publish(
    number: FacilityNumber,
    *,
    version: Version,
    reason: Annotated[str, typer.Option(help="What those hit are told.")] = "",
    confirm: Annotated[
        str | None, typer.Option(help="Token of whom it hits, where somebody would lose a bay.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Verify a submitted draft and publish it; where stays would lose their bay nothing is changed without their token.

    Example: baytide facilities publish 17 --version 3
    """
    from api.cli.acting import AT_THE_MACHINE, acting_as_planner
    from api.cli.reading import read_words
    from api.facilities.publishing import publish_draft
    from api.facilities.supply_schemas import PublicationIn

    wanted = read_words(PublicationIn, {"token": confirm or "", "reason": reason})
    with acting_as_planner() as acting:
        outcome = publish_draft(
            acting.connection,
            number,
            principal=AT_THE_MACHINE,
            seen=version,
            token=wanted.token,
            reason=wanted.reason,
        )
    tell_outcome(outcome, word="published", as_json=as_json)
    if not outcome.done:
        complain("stays would lose their bay: nothing was changed; confirm the token to go ahead")
        raise typer.Exit(CHECK_FAILED)


@_facilities.command("return")
def return_draft(
    number: FacilityNumber,
    *,
    version: Version,
    reason: Annotated[str, typer.Option(help="What has to change, as the owner reads it.", show_default=False)],
) -> None:
    """
    Give a submitted draft back to its owner.

    Example: baytide facilities return 17 --version 3 --reason "the entrance lies in the park"
    """
    from api.cli.acting import AT_THE_MACHINE, acting_as_planner
    from api.cli.reading import read_words
    from api.facilities.drafting import return_draft as run
    from api.facilities.supply_schemas import ReturnIn

    wanted = read_words(ReturnIn, {"reason": reason})
    with acting_as_planner() as acting:
        run(acting.connection, number, principal=AT_THE_MACHINE, seen=version, reason=wanted.reason)
    typer.echo(f"returned: the draft of facility {number}")


@_facilities.command("history")
def list_history(
    number: FacilityNumber,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most rows.")] = 20,
    as_json: AsJson = False,
) -> None:
    """
    List what was drafted, published and withdrawn of a facility, the newest first.

    Example: baytide facilities history 17
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.facilities.queries import FacilityNotFound
    from api.facilities.supply_queries import find_facility
    from api.facilities.supply_queries import list_history as run
    from api.facilities.supply_schemas import history_entry

    with acting_as_planner() as acting:
        rows = run(acting.connection, number, before=MOST_ID, limit=limit)
        if not rows and find_facility(acting.connection, number) is None:
            raise FacilityNotFound(f"no facility {number}")
    print_list(
        [history_entry(row) for row in rows],
        ("at, UTC", "version", "act", "by account", "reason"),
        lambda one: (minute_utc(one.changed_at), one.version, one.act, name_of(one.changed_by), one.reason),
        as_json=as_json,
    )


@_facilities.command("withdrawals")
def list_withdrawals(number: FacilityNumber, *, as_json: AsJson = False) -> None:
    """
    List what was taken back of a facility: when, why, and how many it hit.

    Example: baytide facilities withdrawals 17
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.facilities.queries import FacilityNotFound
    from api.facilities.supply_queries import find_facility
    from api.facilities.supply_schemas import withdrawal_out
    from api.facilities.withdrawal_queries import list_withdrawals as run

    with acting_as_planner() as acting:
        if find_facility(acting.connection, number) is None:
            raise FacilityNotFound(f"no facility {number}")
        found = [withdrawal_out(row) for row in run(acting.connection, number)]
    print_list(
        found,
        ("withdrawal", "from, UTC", "urgency", "households", "permits moved", "not moved", "called off, UTC", "reason"),
        lambda one: (
            name_of(one.id),
            minute_utc(one.effective_from),
            one.urgency,
            one.households,
            one.moved,
            one.not_moved,
            minute_utc(one.called_off_at),
            one.reason,
        ),
        as_json=as_json,
    )


@_facilities.command("call-off")
def call_off(
    number: FacilityNumber,
    withdrawal: Annotated[
        int,
        typer.Argument(help="Its number, as `withdrawals` shows it.", min=1, max=MOST_ID, show_default=False),
    ],
) -> None:
    """
    Offer bays again before a planned withdrawal takes effect; whoever was moved keeps the new place.

    Example: baytide facilities call-off 17 4
    """
    from api.cli.acting import AT_THE_MACHINE, acting_as_planner
    from api.facilities.calling_off import call_off as run

    with acting_as_planner() as acting:
        run(acting.connection, number, withdrawal, principal=AT_THE_MACHINE, now=acting.now)
    typer.echo(f"called off: withdrawal {withdrawal}")
