"""Capacity taken back by command: `baytide withdraw`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import complain, print_json
from api.cli.options import CHECK_FAILED, MOST_ID, AsJson

if TYPE_CHECKING:
    from api.facilities.consequences import Outcome
    from api.facilities.withdrawing import Withdrawal

commands = typer.Typer()
_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%d"]


@commands.command()
def withdraw(
    facility: Annotated[int, typer.Argument(min=1, max=MOST_ID, help="Number of the facility.", show_default=False)],
    *,
    reason: Annotated[str, typer.Option(help="What households are told.", show_default=False)],
    emergency: Annotated[bool, typer.Option("--emergency", help="At once, without a notice period.")] = False,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=_FORMATS, help="Local time it begins.", show_default=False)
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option("--to", formats=_FORMATS, help="Local time it ends; for good without.", show_default=False),
    ] = None,
    bay_group: Annotated[
        str | None, typer.Option("--group", help="Only bays of this group.", show_default=False)
    ] = None,
    bays: Annotated[
        int | None, typer.Option(min=0, help="How many of the group's bays are left.", show_default=False)
    ] = None,
    confirm: Annotated[
        str | None,
        typer.Option(help="Token of the preview that was seen; nothing changes without.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Say whom a withdrawal hits and who gets another place; with the token of that, carry it out.

    Example: baytide withdraw 17 --reason "sold" --from 2026-12-31
    """
    from api.cli.acting import AT_THE_MACHINE, acting_as_planner
    from api.facilities.withdrawing import withdraw as run

    wanted = _wanted(reason, "emergency" if emergency else "planned", start, end, bay_group, bays)
    with acting_as_planner() as acting:
        outcome = run(acting.connection, facility, wanted, principal=AT_THE_MACHINE, token=confirm, now=acting.now)
    tell_outcome(outcome, word="withdrawn", as_json=as_json)
    if confirm is not None and not outcome.done:
        complain("it would hit others by now: nothing was changed; confirm the new token to go ahead")
        raise typer.Exit(CHECK_FAILED)


def _wanted(
    reason: str,
    urgency: str,
    start: datetime | None,
    end: datetime | None,
    bay_group: str | None,
    bays: int | None,
) -> Withdrawal:
    from api.facilities.withdrawing import Withdrawal

    if (bay_group is None) != (bays is None):
        raise typer.BadParameter("--group and --bays belong together")
    if bays is not None and end is not None:
        raise typer.BadParameter("bays of a group are taken back for good: leave --to out")
    kind = "bays" if bays is not None else "facility" if end is None else "closure"
    return Withdrawal(kind, urgency, reason, start=start, end=end, bay_group=bay_group, bays=bays)


def tell_outcome(outcome: Outcome, *, word: str, as_json: bool) -> None:
    """Say whom a change of what is offered hits, and the token to confirm it with where it was not carried out."""
    from dataclasses import asdict

    found = asdict(outcome.consequences)
    found["effective_from"] = outcome.consequences.effective_from.isoformat()
    found["withdrawal"] = outcome.withdrawal_id
    if as_json:
        print_json(found)
        return
    typer.echo(f"{word if outcome.done else 'preview'}: from {found['effective_from']}")
    typer.echo(f"  {found['households']} households, {found['permits']} permits, {found['stays']} nights and bookings")
    typer.echo(f"  permits with another place: {found['moved']}, without: {found['not_moved']}")
    for tier, numbers in found["by_tier"].items():
        typer.echo(f"    tier {tier}: {numbers['moved']} of {numbers['hit']}")
    if found["extra_walk_m"] is not None:
        typer.echo(f"  mean extra walk: {found['extra_walk_m']} m")
    if not outcome.done:
        typer.echo(f"  bookings with a free bay nearby: {found['bookings_movable']} of {found['bookings']}")
        typer.echo(f"  confirm with --confirm {found['token']}")
