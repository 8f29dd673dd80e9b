"""Commands that make folders, load them into the service and write them from it: sample, import, export."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import complain, print_json, progress
from api.cli.options import AsJson, Folder
from api.errors import FolderFaults

commands = typer.Typer()


@commands.command()
def sample(
    osm: Annotated[Path, typer.Argument(help="An OpenStreetMap file, .osm or .osm.pbf.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    *,
    name: Annotated[str | None, typer.Option(help="Name of the place.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same folder.")] = 0,
    demands: Annotated[
        int | None, typer.Option(min=0, help="How many; a share of the households without.", show_default=False)
    ] = None,
    country: Annotated[
        str | None, typer.Option(help="ISO 3166 code, as CN; known places need none.", show_default=False)
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="IANA zone, as Asia/Shanghai; known places need none.", show_default=False)
    ] = None,
    begin: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of the term.", show_default=False)
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of the term.", show_default=False)
    ] = None,
) -> None:
    """Make a folder from an OSM file: real streets and buildings, made-up bays and demands that say so."""
    from api.samples.make import make_sample

    term: dict[str, Any] = {key: moment.date() for key, moment in (("term_from", begin), ("term_to", end)) if moment}
    with progress() as step:
        step("sample", "reading the map")
        made = make_sample(osm, out, name=name, seed=seed, demands=demands, country=country, timezone=timezone, **term)
    for warning in made.warnings:
        complain(f"warning: {warning}")
    typer.echo(
        f"written: {out}: {made.homes:,} homes with {made.households:,} households (estimated), "
        f"{made.facilities:,} facilities with {made.bays:,} bays and {made.demands:,} demands (both made up)"
    )


@commands.command("import")
def import_(
    folder: Folder,
    *,
    plan: Annotated[
        Path | None, typer.Option(help="A plan of this folder to store with it.", show_default=False)
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a neighbourhood of the same name, its plans too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Load a folder, and a plan that holds, into the service's database: all of it or nothing."""
    from dataclasses import asdict

    from api.db.preparing import open_database
    from api.neighbourhoods.importing import import_folder
    from api.neighbourhoods.read import read_folder
    from api.settings import Settings

    with progress() as step:
        step("read", "reading the folder")
        neighbourhood = read_folder(folder)
        if plan is not None:
            _require_plan_holds(folder, plan, step)
        step("import", "storing")
        with open_database(Settings()) as engine:
            report = import_folder(
                engine,
                neighbourhood,
                folder,
                plan=plan,
                replace=replace,
                progress=lambda done, total: step("walk", f"facilities {done:,} of {total:,}"),
            )
    if as_json:
        print_json(asdict(report))
    else:
        with_plan = f", plan {report.plan_id}" if report.plan_id else ""
        typer.echo(
            f"imported as {report.slug}: {report.facilities:,} facilities, {report.homes:,} homes, "
            f"{report.demands:,} demands{with_plan}"
        )


def _require_plan_holds(folder: Path, plan: Path, step: Callable[[str, str], None]) -> None:
    """Refuse to store a plan that its checker does not accept."""
    from api.errors import Fault
    from api.planning.check import check_folder

    step("check", "checking the plan")
    faults = check_folder(folder, plan)
    if faults:
        raise FolderFaults([Fault(plan.name, 1, "plan", fault) for fault in faults])


@commands.command()
def export(
    name: Annotated[str, typer.Argument(help="A neighbourhood of the service, by name or address word.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
) -> None:
    """Write a neighbourhood of the service as a folder."""
    from api.db.preparing import open_database
    from api.neighbourhoods.exporting import export_folder
    from api.settings import Settings

    with open_database(Settings()) as engine:
        exported = export_folder(engine, name, out)
    typer.echo(f"written: {out}: {exported.name}")
