"""Commands about gates: lists out, events in, and what the gate saw; with those of devices and of reviews."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import gate_devices, gate_reviews
from api.cli.console import complain, print_json
from api.cli.options import CHECK_FAILED, AsJson, Facility
from api.cli.tables import minute, number

commands = typer.Typer()
_gates = typer.Typer(help="What gates are told, and what they saw.", no_args_is_help=True)
_gates.add_typer(gate_reviews.commands)
_gates.add_typer(gate_devices.commands)
commands.add_typer(_gates, name="gates")
_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%d"]


@_gates.command("allow-list")
def allow_list(
    facility: Facility,
    *,
    as_csv: Annotated[bool, typer.Option("--csv", help="In the shape that gates in the field read.")] = False,
    encoding: Annotated[str, typer.Option(help="Of the CSV: utf-8-sig, utf-8 or gbk.")] = "utf-8-sig",
    not_sayable: Annotated[
        Path | None, typer.Option(help="Write there what the CSV cannot say.", show_default=False)
    ] = None,
    since: Annotated[
        int | None, typer.Option(min=0, help="Only what changed since this version.", show_default=False)
    ] = None,
) -> None:
    """
    Print who may stand at a facility when, as JSON or CSV; it is written down that this was asked.

    Example: baytide gates allow-list town/park --csv --encoding gbk > list.csv
    """
    import sys
    from datetime import UTC, datetime

    from api.accounts.keys import Keys
    from api.db.preparing import open_database
    from api.gates.exporting import export_allow_list, export_csv
    from api.gates.list_schemas import allow_list_out
    from api.settings import Settings

    settings = Settings()
    now = datetime.now(UTC)
    with open_database(settings) as engine:
        place, found = export_allow_list(engine, Keys(settings), facility, since=None if as_csv else since, now=now)
    if not as_csv:
        print_json(allow_list_out(place.id, found).model_dump(mode="json", by_alias=True))
        return
    said, unsaid, num_unsaid = export_csv(found, place.timezone, encoding=encoding)
    if not_sayable is not None:
        not_sayable.write_bytes(unsaid)
    elif num_unsaid:
        complain(f"warning: {num_unsaid} intervals cannot be said; --not-sayable FILE writes them")
    sys.stdout.buffer.write(said)


@_gates.command("events")
def events(
    file: Annotated[Path, typer.Argument(help="CSV: id, direction, at, plate, confidence; UTF-8 or GBK.")],
    *,
    facility: Annotated[str, typer.Option(help="Where: a number, or `neighbourhood/facility`.")],
    as_json: AsJson = False,
) -> None:
    """
    Take entries and exits from a file; those that came before count once.

    Example: baytide gates events events.csv --facility town/park
    """
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from api.accounts.keys import Keys
    from api.db.preparing import open_database
    from api.gates.event_file import import_events, read_events
    from api.gates.exporting import get_place
    from api.jobs.queries import work
    from api.settings import Settings

    settings = Settings()
    with open_database(settings) as engine:
        with work(engine) as connection:
            place = get_place(connection, facility)
        read = read_events(file.read_bytes(), ZoneInfo(place.timezone), file=file.name)
        answers = import_events(engine, Keys(settings), place.id, read, now=datetime.now(UTC))
    refused = [(line, answer) for line, answer in answers if answer.refused is not None]
    counts: dict[str, Any] = {"accepted": len(answers) - len(refused), "refused": len(refused)}
    if as_json:
        print_json(counts)
    else:
        typer.echo(f"accepted: {counts['accepted']}, refused: {counts['refused']}")
    for line, answer in refused:
        complain(f"{file.name}:{line}: {answer.refused}")
    if refused:
        raise typer.Exit(CHECK_FAILED)


@_gates.command("sessions")
def sessions(
    facility: Facility,
    *,
    start: Annotated[
        datetime | None,
        typer.Option("--from", formats=_FORMATS, help="Local time; a day before --to without.", show_default=False),
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=_FORMATS, help="Local time; now without.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=5000, help="Most rows.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """
    List who came and went, by bay and without plates.

    Example: baytide gates sessions town/park --from 2026-12-01 --to 2026-12-02T08:00
    """
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.facilities.availability import instant_of
    from api.gates.event_queries import list_gate_sessions
    from api.gates.event_schemas import gate_session_out
    from api.gates.exporting import get_place

    with acting_as_planner() as acting:
        place = get_place(acting.connection, facility)
        zone = ZoneInfo(place.timezone)
        until = acting.now if end is None else instant_of(end, zone)
        since = until - timedelta(days=1) if start is None else instant_of(start, zone)
        rows = list_gate_sessions(acting.connection, place.id, since=since, until=until, limit=limit)
        found = [gate_session_out(row) for row in rows]
    print_list(
        found,
        ("came", "left", "state", "bay", "stay"),
        lambda one: (minute(one.entered_local), minute(one.left_local), one.state, one.bay, number(one.stay)),
        as_json=as_json,
    )
