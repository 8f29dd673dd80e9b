"""The command line. Every command imports what it needs itself, so that `baytide --help` answers at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any

import typer

from api.errors import ApiError, DatabaseUnavailable, FolderFaults, NoPlan

DONE, CHECK_FAILED, BAD_INPUT, NO_PLAN = 0, 1, 2, 3
MOST_FAULTS_SHOWN = 2000
SEED_BOUND = 2**63

app = typer.Typer(
    name="baytide",
    help="Shared night parking: bays that stand empty given to the households around them, fairly and with a proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Folder = Annotated[Path, typer.Argument(help="A neighbourhood folder.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]


def main() -> None:
    """Run the command line: 0 done, 1 a check failed, 2 bad input, 3 no plan or no database."""
    try:
        app()
    except FolderFaults as error:
        _complain_of(error.faults)
        sys.exit(BAD_INPUT)
    except (NoPlan, DatabaseUnavailable) as error:
        _complain(str(error))
        sys.exit(NO_PLAN)
    except ApiError as error:
        _complain(str(error))
        sys.exit(BAD_INPUT)
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        _complain(str(error))
        sys.exit(code)


def _code_of(error: Exception) -> int | None:
    """Exit code of errors from below the service; None for what is a bug of ours."""
    from allocator.errors import AllocatorError
    from geo.errors import GeoError

    if isinstance(error, AllocatorError):
        return NO_PLAN
    if isinstance(error, GeoError | OSError):
        return BAD_INPUT
    return None


def _complain(words: str) -> None:
    typer.echo(words, err=True)


def _complain_of(faults: Sequence[object]) -> None:
    for fault in faults[:MOST_FAULTS_SHOWN]:
        _complain(str(fault))
    if len(faults) > MOST_FAULTS_SHOWN:
        _complain(f"… and {len(faults) - MOST_FAULTS_SHOWN} more faults")


@app.callback(invoke_without_command=True)
def _about(*, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(installed_version("baytide"))
        raise typer.Exit


@app.command()
def allocate(
    folder: Folder,
    *,
    out: Annotated[
        Path, typer.Option(help="Where to write the plan; certificate.json, plan.csv and plan.geojson go beside it.")
    ] = Path("plan.json"),
    seed: Annotated[
        int | None,
        typer.Option(
            min=-SEED_BOUND,
            max=SEED_BOUND - 1,
            metavar="N",
            help="Seed of the public draw; the folder's own without.",
            show_default=False,
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="S",
            help="Stop refining after so many seconds; there is a plan whatever the limit.",
            show_default=False,
        ),
    ] = None,
    gap: Annotated[
        float, typer.Option(min=0, metavar="G", help="Stop refining at this (bound - value) / value.")
    ] = 0.0,
    plots: Annotated[
        Path | None,
        typer.Option(
            help="Also draw use by hour, walking distances and unmet demand (.png, .svg or .pdf).", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give bays to demands: a plan of the most value, with a certificate."""
    from api.planning.allocate import allocate_folder
    from api.planning.writing import require_file_place

    if plots is not None:
        require_file_place(plots)
    with _progress() as step:
        done = allocate_folder(folder, out=out, seed=seed, time_limit_s=time_limit, gap=gap, progress=step)
        if plots is not None:
            from api.pages.plots import draw_plots

            step("plots", "drawing")
            draw_plots(done.neighbourhood, done.plan, plots)
    if as_json:
        lists = ("assignments", "unserved", "bay_values", "input_sha256")
        _print_json({**{key: value for key, value in done.plan.items() if key not in lists}, "out": str(out)})
    else:
        _print_summary(done.plan, out)


def _print_summary(plan: dict[str, Any], out: Path) -> None:
    gap_m = (plan["bound_m"] - plan["value_m"]) / max(1, plan["demands"])
    walk = plan["walk_m"]
    typer.echo(
        f"served {plan['served']:,} of {plan['demands']:,} demands; "
        f"walk {walk['mean']} m on average, {walk['max']} m at most"
    )
    typer.echo(f"value {plan['value_m']:,} m, no plan is worth more than {plan['bound_m']:,} m")
    typer.echo("proven optimal" if plan["status"] == "optimal" else f"certified within {gap_m:.3f} m per demand")
    for warning in plan["warnings"]:
        _complain(f"warning: {warning}")
    typer.echo(f"written: {out}, certificate.json, plan.csv, plan.geojson")


@app.command()
def check(
    folder: Folder,
    plan: Annotated[Path, typer.Argument(help="A plan; its certificate.json lies beside it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Verify a plan from scratch: rules, value, counts and bound. Exit 0 only when all hold."""
    from api.planning.check import check_folder

    with _progress() as step:
        step("check", "working the folder out again")
        faults = check_folder(folder, plan)
    if as_json:
        _print_json({"holds": not faults, "faults": faults})
    elif faults:
        _complain_of(faults)
    else:
        typer.echo("all holds: rules, decisions, value, counts, draw, reasons and bound")
    if faults:
        raise typer.Exit(CHECK_FAILED)


@app.command("map")
def draw_map(
    folder: Folder,
    plan: Annotated[Path, typer.Argument(help="A plan of this folder.")],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="The page to write: one file, no network needed.")] = Path(
        "map.html"
    ),
) -> None:
    """Draw a plan on a map that opens in any browser, offline."""
    from api.maps.standalone import write_map
    from api.neighbourhoods.importing import extra_properties
    from api.neighbourhoods.read import read_folder
    from api.planning.writing import require_file_place
    from api.plans.plan_file import read_plan
    from geo.tiles import base_map_geojson

    require_file_place(out)
    with _progress() as step:
        step("read", "reading the folder")
        neighbourhood = read_folder(folder)
        plan_file = read_plan(plan, folder=folder)
        step("map", "drawing")
        base = None if neighbourhood.streets is None else base_map_geojson(neighbourhood.streets)
        write_map(
            neighbourhood,
            plan_file.plan,
            plan_file.certificate,
            out,
            extra=extra_properties(folder),
            streets_geojson=base,
        )
    typer.echo(f"written: {out}")


@app.command()
def plot(
    folder: Folder,
    plan: Annotated[Path, typer.Argument(help="A plan of this folder.")],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help=".png, .svg or .pdf")] = Path("plan.png"),
) -> None:
    """Draw a plan in figures: use by hour, walking distances, unmet demand."""
    from api.neighbourhoods.read import read_folder
    from api.pages.plots import draw_plots
    from api.planning.writing import require_file_place
    from api.plans.plan_file import read_plan

    require_file_place(out)
    draw_plots(read_folder(folder), dict(read_plan(plan, folder=folder).plan), out)
    typer.echo(f"written: {out}")


@app.command()
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
    with _progress() as step:
        step("sample", "reading the map")
        made = make_sample(osm, out, name=name, seed=seed, demands=demands, country=country, timezone=timezone, **term)
    for warning in made.warnings:
        _complain(f"warning: {warning}")
    typer.echo(
        f"written: {out}: {made.homes:,} homes with {made.households:,} households (estimated), "
        f"{made.facilities:,} facilities with {made.bays:,} bays and {made.demands:,} demands (both made up)"
    )


@app.command()
def bench(
    *,
    demands: Annotated[
        list[int] | None, typer.Option(help="Sizes of the cities; may be given more than once.", show_default="10000")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Cities of each size.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Write the results as JSON.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Solve synthetic cities, check every plan, and print time, gap and work."""
    from api.planning.bench import bench_cities, table_of
    from api.planning.writing import require_file_place

    if out is not None:
        require_file_place(out)
    with _progress() as step:
        result = bench_cities(sizes=demands or [10_000], seeds=seeds, progress=step)
    if out is not None:
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if as_json:
        _print_json(result)
    else:
        typer.echo(table_of(result))


@app.command("import")
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

    from api.db.connection import open_database
    from api.neighbourhoods.importing import import_folder
    from api.neighbourhoods.read import read_folder
    from api.settings import Settings

    with _progress() as step:
        step("read", "reading the folder")
        neighbourhood = read_folder(folder)
        if plan is not None:
            _require_plan_holds(folder, plan, step)
        step("import", "storing")
        with open_database(Settings()) as engine:
            report = import_folder(engine, neighbourhood, folder, plan=plan, replace=replace)
    if as_json:
        _print_json(asdict(report))
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


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="A neighbourhood of the service, by name or address word.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
) -> None:
    """Write a neighbourhood of the service as a folder."""
    from api.db.connection import open_database
    from api.neighbourhoods.exporting import export_folder
    from api.settings import Settings

    with open_database(Settings()) as engine:
        exported = export_folder(engine, name, out)
    typer.echo(f"written: {out}: {exported.name}")


@app.command()
def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; this machine only without.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; the next free one when it is taken.", show_default="8080"),
    ] = None,
) -> None:
    """Serve the API and the page."""
    from api.serving import serve as run
    from api.settings import Settings

    chosen = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    run(Settings(**chosen))  # type: ignore[arg-type]  # names and types are those of the settings


@app.command()
def demo(
    *,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Serve the page after allocating, checking and importing.")
    ] = True,
    port: Annotated[int | None, typer.Option(min=0, max=65535, show_default="8080")] = None,
) -> None:
    """Show Siping Road in Shanghai: sample, allocate, check, import, and open the page."""
    from api.demo import run_demo
    from api.settings import Settings

    run_demo(Settings(port=port) if port is not None else Settings(), serve=serve)


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, ensure_ascii=False, indent=2))


@contextmanager
def _progress() -> Iterator[Callable[[str, str], None]]:
    """Say (stage, words) as a moving line on a terminal; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _stage, _words: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[stage]:<6}"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", stage="", total=None)
        yield lambda stage, words: bar.update(task, description=words, stage=stage)


if __name__ == "__main__":
    main()
