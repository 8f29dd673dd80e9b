"""Commands on a folder and its plan: allocate, check, map, plot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import complain, complain_of, print_json, progress
from api.cli.options import CHECK_FAILED, AsJson, Folder

SEED_BOUND = 2**63

commands = typer.Typer()


@commands.command()
def allocate(
    folder: Folder,
    *,
    out: Annotated[
        Path,
        typer.Option(
            help="Where to write the plan; its certificate, plan.csv, nights.csv and plan.geojson go beside it."
        ),
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
    base: Annotated[
        Path | None,
        typer.Option(
            help="A plan to start from, its certificate.json beside it; few households change.", show_default=False
        ),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(
            help="Also draw use by hour, walking distances and unmet demand (.png, .svg or .pdf).", show_default=False
        ),
    ] = None,
    note: Annotated[
        Path | None,
        typer.Option(help="Keep the newest step in this file, as JSON, for whoever waits.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give bays to demands: a plan of the most value, with a certificate."""
    from api.planning.allocate import allocate_folder
    from api.planning.writing import require_file_place

    for place in (plots, note):
        if place is not None:
            require_file_place(place)
    with progress(note) as step:
        done = allocate_folder(folder, out=out, seed=seed, time_limit_s=time_limit, gap=gap, base=base, progress=step)
        if plots is not None:
            from api.pages.plots import draw_plots

            step("plots", "drawing")
            draw_plots(done.neighbourhood, done.answer, plots)
    if as_json:
        lists = ("assignments", "unserved", "bay_values", "input_sha256")
        print_json({**{key: value for key, value in done.answer.items() if key not in lists}, "out": str(out)})
    else:
        _print_summary(done.answer, out)


def _print_summary(plan: dict[str, Any], out: Path) -> None:
    gap_m = (plan["bound_m"] - plan["value_m"]) / max(1, plan["demands"])
    walk = plan["walk_m"]
    typer.echo(
        f"served {plan['served']:,} of {plan['demands']:,} demands; "
        f"walk {walk['mean']} m on average, {walk['max']} m at most"
    )
    typer.echo(f"value {plan['value_m']:,} m, no plan is worth more than {plan['bound_m']:,} m")
    typer.echo("proven optimal" if plan["status"] == "optimal" else f"certified within {gap_m:.3f} m per demand")
    typer.echo(_nightly_bays(plan["nightly_bays"]))
    if "base" in plan:
        note = plan["base"]
        typer.echo(
            f"against the base {note['changed']:,} of its demands change: {note['moved']:,} move, "
            f"{note['newly_served']:,} newly served, {note['no_longer_served']:,} no longer"
        )
    for warning in plan["warnings"]:
        complain(f"warning: {warning}")
    typer.echo(f"written: {out}, certificate.json, plan.csv, nights.csv, plan.geojson")


def _nightly_bays(nights: dict[str, Any]) -> str:
    if not nights["moving"]:
        return f"every one of {nights['permits']:,} permits keeps one bay on all its nights"
    fewest = "no fewer can" if nights["proven_fewest"] else "not proven to be the fewest"
    split = f"; {nights['split_stays']:,} stays are split" if nights["split_stays"] else ""
    return f"{nights['moving']:,} of {nights['permits']:,} permits move, {nights['moves']:,} times ({fewest}){split}"


@commands.command()
def check(
    folder: Folder,
    plan: Annotated[Path, typer.Argument(help="A plan; its certificate.json lies beside it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Verify a plan from scratch: rules, value, counts and bound. Exit 0 only when all hold."""
    from api.planning.check import check_folder

    with progress() as step:
        step("check", "working the folder out again")
        faults = check_folder(folder, plan)
    if as_json:
        print_json({"holds": not faults, "faults": faults})
    elif faults:
        complain_of(faults)
    else:
        typer.echo("all holds: rules, decisions, value, counts, draw, reasons and bound")
    if faults:
        raise typer.Exit(CHECK_FAILED)


@commands.command("map")
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
    with progress() as step:
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


@commands.command()
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
