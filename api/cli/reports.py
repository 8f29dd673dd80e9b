"""Commands that ask about a plan: what bays are worth, whom it serves, what decisions cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.console import complain, print_json, progress
from api.cli.options import AsJson, Folder

commands = typer.Typer()

Plan = Annotated[Path, typer.Argument(help="A plan of this folder; its certificate.json lies beside it.")]
EachLimit = Annotated[
    float | None,
    typer.Option(min=0, metavar="S", help="Stop each solve after so many seconds.", show_default=False),
]


@commands.command("bay-values")
def bay_values(
    folder: Folder,
    plan: Plan,
    *,
    facility: Annotated[str | None, typer.Option(help="Only this facility.", show_default=False)] = None,
    bay_group: Annotated[str | None, typer.Option(help="Only bay groups of this id.", show_default=False)] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Solve again with one bay more and one fewer in each bay group.")
    ] = False,
    time_limit: EachLimit = None,
    as_json: AsJson = False,
) -> None:
    """Tell what one more bay is worth at each place: the price, or exactly."""
    from api.planning.bay_gains import chosen_places, exact_gains
    from api.planning.held_plan import read_held_plan
    from api.plans.plan_file import read_plan

    rows: list[dict[str, Any]]
    with progress() as step:
        if exact:
            held = read_held_plan(folder, plan, progress=step)
            content = held.plan
            gains = exact_gains(
                held.neighbourhood,
                walks=held.walks,
                base=held.base,
                plan=content,
                places=chosen_places(content, facility=facility, bay_group=bay_group),
                time_limit_s=time_limit,
                progress=step,
            )
            rows = [gain.as_json() for gain in gains]
        else:
            content = read_plan(plan, folder=folder).plan
            chosen = chosen_places(content, facility=facility, bay_group=bay_group)
            rows = [row for row in content["bay_values"] if (row["facility"], row["bay_group"]) in chosen]
    if as_json:
        print_json({**{key: content[key] for key in ("status", "value_m", "bound_m")}, "bay_values": rows})
    else:
        from api.cli.report_words import bay_values_words

        typer.echo(bay_values_words(rows, exact=exact))


@commands.command()
def report(
    folder: Folder,
    plan: Plan,
    *,
    costs: Annotated[
        bool, typer.Option("--costs", help="Solve again without decisions.csv to tell what locks and rejections cost.")
    ] = False,
    each: Annotated[
        bool, typer.Option("--each", help="Also tell what each decision costs by itself; one solve a decision.")
    ] = False,
    time_limit: EachLimit = None,
    out: Annotated[Path | None, typer.Option(help="Write the report as JSON.", show_default=False)] = None,
    note: Annotated[
        Path | None,
        typer.Option(help="Keep the newest step in this file, as JSON, for whoever waits.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell whom a plan serves and how fairly: rates, walks, envies, holders, and what decisions cost."""
    import json

    from api.planning.service_report import report_of_files
    from api.planning.writing import require_file_place

    for place in (out, note):
        if place is not None:
            require_file_place(place)
    with progress(note) as step:
        content = report_of_files(folder, plan, costs=costs or each, each=each, time_limit_s=time_limit, progress=step)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json(content)
    else:
        from api.cli.report_words import report_words

        typer.echo(report_words(content))
        if out is not None:
            typer.echo(f"\nwritten: {out}")
    if content["fairness"]["justified_envies"]:
        complain("warning: the draw was not followed; `baytide check` names the demands")
