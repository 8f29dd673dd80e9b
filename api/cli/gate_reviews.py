"""Commands about events whose car is not known: gates unclear, assign, dismiss; and checking a code by hand."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from api.cli.options import CHECK_FAILED, MOST_ID, AsJson, Facility
from api.cli.tables import minute, number

commands = typer.Typer()
Event = Annotated[
    int, typer.Argument(help="Number of the event, as `unclear` shows it.", min=1, max=MOST_ID, show_default=False)
]


class Direction(StrEnum):
    """Which way a car goes."""

    entry = "entry"
    exit = "exit"


class Match(StrEnum):
    """How the car of an event was found."""

    unknown = "unknown"
    corrected = "corrected"
    assigned = "assigned"
    dismissed = "dismissed"


@commands.command("unclear")
def list_unclear(
    facility: Facility,
    *,
    match: Annotated[
        Match, typer.Option(help="Or those of two weeks that the rule corrected, a person assigned or dismissed.")
    ] = Match.unknown,
    before: Annotated[
        int | None, typer.Option(min=1, max=MOST_ID, help="Only events with lower numbers.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most rows.")] = 50,
    as_json: AsJson = False,
) -> None:
    """
    List events whose plate was read wrong and fits no car or several, the newest first.

    Those whose car was found are listed on request, with the plate they are taken for: it can be changed for two weeks.

    Example: baytide gates unclear town/park --match corrected
    """
    from zoneinfo import ZoneInfo

    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.gates.event_queries import list_to_review
    from api.gates.event_schemas import unclear_event_out
    from api.gates.events import MENDED_WITHIN
    from api.gates.exporting import get_place

    with acting_as_planner() as acting:
        place = get_place(acting.connection, facility)
        zone = ZoneInfo(place.timezone)
        since = acting.now - MENDED_WITHIN
        rows = list_to_review(
            acting.connection, place.id, match=match, since=since, before=before or MOST_ID, limit=limit
        )
        found = [unclear_event_out(acting.keys, row) for row in rows]
    print_list(
        found,
        ("event", "at", "direction", "read", "confidence", "device", "taken for"),
        lambda one: (
            number(one.id),
            minute(one.at.astimezone(zone)),
            one.direction,
            one.read,
            one.confidence,
            one.device,
            one.plate,
        ),
        as_json=as_json,
    )


@commands.command("assign")
def assign(
    event: Event, plate: Annotated[str, typer.Argument(help="The car's whole plate.", show_default=False)]
) -> None:
    """
    Say whose plate was read wrong; the gate sessions follow at once. What was said before can be changed for two weeks.

    Example: baytide gates assign 4711 沪A8K123
    """
    from api.cli.acting import acting_as_planner
    from api.cli.reading import read_words
    from api.gates.event_schemas import CarIn
    from api.gates.events import assign_event

    car = read_words(CarIn, {"plate": plate})
    with acting_as_planner() as acting:
        assign_event(acting.connection, acting.keys, event, plate=car.plate, account_id=None, now=acting.now)
    typer.echo(f"assigned: event {event}")


@commands.command("dismiss")
def dismiss(event: Event) -> None:
    """
    Say that an event is of no car that matters; what was read is forgotten for good.

    Example: baytide gates dismiss 4711
    """
    from api.cli.acting import acting_as_planner
    from api.gates.events import dismiss_event

    with acting_as_planner() as acting:
        dismiss_event(acting.connection, event, account_id=None, now=acting.now)
    typer.echo(f"dismissed: event {event}")


@commands.command("check-code")
def check_code(
    device: Annotated[
        int, typer.Argument(help="Number of the gate that stays shut.", min=1, max=MOST_ID, show_default=False)
    ],
    code: Annotated[str, typer.Argument(help="What the driver says.", show_default=False)],
    *,
    direction: Annotated[Direction, typer.Option(help="Which way the car wants to go.")] = Direction.entry,
) -> None:
    """
    Say whether to open for a household's code, for attendants whose keypad is broken; fails for one that opens nothing.

    The code is used up for this direction, the car counts as seen, and wrong ones count against the device's limit.

    Example: baytide gates check-code 3 04318827 --direction exit
    """
    from api.cli.acting import acting_as_planner
    from api.cli.reading import read_words
    from api.gates.at_the_gate import check_gate_code
    from api.gates.queries import GateDeviceNotFound, get_device
    from api.gates.stay_schemas import GateCodeIn

    shown = read_words(GateCodeIn, {"code": code, "direction": direction.value})
    with acting_as_planner() as acting:
        gate = get_device(acting.connection, device)
        if gate.kind != "gate":
            raise GateDeviceNotFound(f"device {device} is a warden's, which opens nothing")
        found = check_gate_code(
            acting.connection, acting.keys, gate, code=shown.code, direction=shown.direction, now=acting.now
        )
    if not found.valid or found.until is None:
        typer.echo("keep shut: the code is wrong, over or used")
        raise typer.Exit(CHECK_FAILED)
    typer.echo(f"open: {found.bay}, until {found.until.isoformat(timespec='minutes')}")
