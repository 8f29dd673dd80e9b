"""Commands about a gate's devices, whom residents may call there, and bays that somebody else was on."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.options import MOST_ID, AsJson, Facility
from api.cli.tables import minute, minute_utc, number

commands = typer.Typer()
Device = Annotated[
    int, typer.Argument(help="Number of the device, as `devices` shows it.", min=1, max=MOST_ID, show_default=False)
]


@commands.command("devices")
def list_devices(facility: Facility, *, as_json: AsJson = False) -> None:
    """
    List a facility's gate devices in use; their keys cannot be seen again.

    Example: baytide gates devices town/park
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.gates.exporting import get_place
    from api.gates.queries import list_devices as run
    from api.gates.schemas import device_out

    with acting_as_planner() as acting:
        place = get_place(acting.connection, facility)
        found = [device_out(row) for row in run(acting.connection, place.id)]
    print_list(
        found,
        ("device", "kind", "label", "key of, UTC"),
        lambda one: (number(one.id), one.kind, one.label, minute_utc(one.rotated_at or one.created_at)),
        as_json=as_json,
    )


@commands.command("add-device")
def add_device(
    facility: Facility,
    label: Annotated[str, typer.Argument(help="Where it stands or who carries it.", show_default=False)],
    *,
    warden: Annotated[
        bool, typer.Option("--warden", help="A warden's, which may ask for one plate at a time only.")
    ] = False,
) -> None:
    """
    Add a device to a facility; its key is printed this once.

    Example: baytide gates add-device town/park "north entrance"
    """
    from api.cli.acting import acting_as_planner
    from api.cli.reading import read_words
    from api.gates.devices import add_device as run
    from api.gates.exporting import get_place
    from api.gates.schemas import GateDeviceIn

    wanted = read_words(GateDeviceIn, {"label": label, "kind": "warden" if warden else "gate"})
    with acting_as_planner() as acting:
        place = get_place(acting.connection, facility)
        row, key = run(acting.connection, place.id, label=wanted.label, kind=wanted.kind)
    typer.echo(f"added: device {row.id}\nkey: {key}")


@commands.command("rotate-key")
def rotate_key(device: Device) -> None:
    """
    Give a device another key, printed this once; the former one opens for an hour more.

    Example: baytide gates rotate-key 3
    """
    from api.cli.acting import acting_as_planner
    from api.gates.devices import rotate_key as run

    with acting_as_planner() as acting:
        _, key = run(acting.connection, device)
    typer.echo(f"key: {key}")


@commands.command("end-device")
def end_device(device: Device) -> None:
    """
    Refuse a device's keys from this moment.

    Example: baytide gates end-device 3
    """
    from api.cli.acting import acting_as_planner
    from api.gates.queries import revoke_device

    with acting_as_planner() as acting:
        revoke_device(acting.connection, device)
    typer.echo(f"ended: device {device}")


@commands.command("contact")
def contact(
    facility: Facility,
    *,
    name: Annotated[str | None, typer.Option(help="Who answers at night.", show_default=False)] = None,
    phone: Annotated[str | None, typer.Option(help="Under which number.", show_default=False)] = None,
) -> None:
    """
    Show whom residents may call at a facility, or name somebody.

    Example: baytide gates contact town/park --name "night porter" --phone "+86 21 5555 0100"
    """
    from api.cli.acting import acting_as_planner
    from api.cli.reading import read_words
    from api.gates.exporting import get_place
    from api.gates.stay_queries import find_contact, set_contact
    from api.gates.stay_schemas import ContactModel

    if (name is None) != (phone is None):
        raise typer.BadParameter("--name and --phone belong together")
    with acting_as_planner() as acting:
        place = get_place(acting.connection, facility)
        if name is not None:
            named = read_words(ContactModel, {"name": name, "phone": phone})
            set_contact(acting.connection, place.id, name=named.name, phone=named.phone)
        row = find_contact(acting.connection, place.id)
    typer.echo("nobody is named" if row is None else f"{row.name}  {row.phone}")


@commands.command("claims")
def list_claims(
    facility: Facility,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most rows.")] = 100,
    as_json: AsJson = False,
) -> None:
    """
    List bays that somebody else was on and what became of it, the newest first; not who reported it.

    Example: baytide gates claims town/park
    """
    from zoneinfo import ZoneInfo

    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.gates.claim_queries import list_claims as run
    from api.gates.exporting import get_place
    from api.gates.stay_schemas import claim_out

    with acting_as_planner() as acting:
        place = get_place(acting.connection, facility)
        zone = ZoneInfo(place.timezone)
        found = [claim_out(row) for row in run(acting.connection, place.id, limit=limit)]
    print_list(
        found,
        ("claim", "at", "bay", "outcome", "due back, cents", "evidence"),
        lambda one: (
            number(one.id),
            minute(one.at.astimezone(zone)),
            one.bay,
            one.outcome,
            one.due_cents,
            one.evidence,
        ),
        as_json=as_json,
    )
