"""Commands about the bays that a facility keeps back for late leavers: overstays buffer, set-buffer, apply-buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.options import AsJson, Facility
from api.cli.tables import minute_utc, percent, table_of

if TYPE_CHECKING:
    from api.cli.acting import Acting
    from api.overstays.buffer_schemas import BufferOut

commands = typer.Typer()
_SHOWN = 14


@commands.command("buffer")
def show_buffer(facility: Facility, *, as_json: AsJson = False) -> None:
    """
    Show a facility's buffer, its owner's settings, and the estimates of the last two weeks.

    Example: baytide overstays buffer town/park
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_one
    from api.gates.exporting import get_place

    with acting_as_planner() as acting:
        found = _shown(acting, get_place(acting.connection, facility).id)
    if as_json:
        print_one(found)
        return
    wanted = found.settings
    typer.echo(
        f"{found.buffer_bays} bays are kept back; enough on {percent(wanted.confidence)} of mornings is wanted, "
        f"{'changed by itself' if wanted.automatic else 'changed by hand'}"
    )
    head = ("day", "bays", "of", "before", "state", "late", "mornings", "cars", "made at, UTC")
    rows = [
        (
            one.day.isoformat(),
            one.buffer_bays,
            one.bays,
            one.buffer_before,
            one.state,
            percent(one.late_share),
            one.mornings,
            one.cars,
            minute_utc(one.made_at),
        )
        for one in found.estimates
    ]
    typer.echo(table_of(head, rows))


@commands.command("set-buffer")
def set_buffer(
    facility: Facility,
    *,
    confidence: Annotated[
        float | None, typer.Option(help="Share of mornings on which it must be enough.", show_default=False)
    ] = None,
    automatic: Annotated[
        bool | None,
        typer.Option("--automatic/--by-hand", help="Whether it changes every night by itself.", show_default=False),
    ] = None,
    owner_from_min: Annotated[
        int | None,
        typer.Option(help="Minutes after the leave-by time at which the owner's people come.", show_default=False),
    ] = None,
    gate_sees_all: Annotated[
        bool | None,
        typer.Option(
            "--gate-sees-all/--gate-sees-sharers",
            help="Whether the gate records the owner's own cars too.",
            show_default=False,
        ),
    ] = None,
    places: Annotated[
        int | None, typer.Option(help="All bays of the place, those never shared too.", show_default=False)
    ] = None,
) -> None:
    """
    Say what the buffer must do; what is not named stays as it is.

    Example: baytide overstays set-buffer town/park --confidence 0.9 --automatic
    """
    from api.cli.acting import AT_THE_MACHINE, acting_as_planner
    from api.cli.listing import print_one
    from api.cli.reading import read_words
    from api.gates.exporting import get_place
    from api.overstays.buffer_queries import put_settings
    from api.overstays.buffer_schemas import BufferSettings

    named = {
        "confidence": confidence,
        "automatic": automatic,
        "owner_from_min": owner_from_min,
        "gate_sees_all": gate_sees_all,
        "places": places,
    }
    changed = {name: value for name, value in named.items() if value is not None}
    if not changed:
        raise typer.BadParameter("nothing is named that should change")
    with acting_as_planner() as acting:
        place = get_place(acting.connection, facility).id
        before = _shown(acting, place).settings.model_dump()
        wanted = read_words(BufferSettings, {**before, **changed})
        values = {**wanted.model_dump(), "facility_id": place, "changed_by": AT_THE_MACHINE.account_id}
        put_settings(acting.connection, {**values, "changed_at": acting.now})
        found = _shown(acting, place)
    print_one(found.settings)


@commands.command("apply-buffer")
def apply_buffer(facility: Facility) -> None:
    """
    Keep as many bays back as the newest estimate proposes; refused where somebody would lose a bay by it.

    Example: baytide overstays apply-buffer town/park
    """
    from api.cli.acting import AT_THE_MACHINE, acting_as_planner
    from api.gates.exporting import get_place
    from api.overstays.buffers import apply_proposal

    with acting_as_planner() as acting:
        place = get_place(acting.connection, facility).id
        apply_proposal(acting.connection, place, principal=AT_THE_MACHINE, now=acting.now)
        found = _shown(acting, place)
    typer.echo(f"applied: {found.buffer_bays} bays are kept back")


def _shown(acting: Acting, facility_id: int) -> BufferOut:
    from api.cli.acting import AT_THE_MACHINE
    from api.overstays.buffer_queries import list_estimates
    from api.overstays.buffer_schemas import buffer_out
    from api.overstays.buffers import own_place

    place = own_place(acting.connection, facility_id, principal=AT_THE_MACHINE)
    return buffer_out(place, list(list_estimates(acting.connection, facility_id, limit=_SHOWN)))
