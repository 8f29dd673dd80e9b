"""The demo: a real piece of Shanghai with made-up bays and demands, allocated, checked, stored and shown."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from api.db.preparing import open_database
from api.errors import ApiError
from api.neighbourhoods.importing import import_folder
from api.pages.assets import page_assets
from api.planning.allocate import allocate_folder
from api.planning.check import check_folder
from api.samples.make import siping_sample
from api.serving import serve_on
from api.settings import Settings


class DemoFailed(ApiError):
    """The checker did not accept the demo's plan."""


def run_demo(settings: Settings, *, serve: bool) -> None:
    """
    Take the Siping sample the whole way and, with `serve`, show it until Ctrl-C.

    Raises
    ------
    DemoFailed
        The checker found something wrong with the plan.
    DatabaseUnavailable, AssetsMissing, NoPort
        What is missing on this machine.
    """
    page_assets()
    with tempfile.TemporaryDirectory(prefix="baytide-demo-") as place:
        folder, plan = Path(place) / "siping", Path(place) / "plan.json"
        made = siping_sample(folder)
        typer.echo(
            f"Siping Road, Shanghai: streets and {made.homes:,} homes from OpenStreetMap; bays at {made.facilities:,} "
            f"facilities and {made.demands:,} demands made up"
        )
        allocation = allocate_folder(folder, out=plan)
        _say_plan(allocation.answer)
        faults = check_folder(folder, plan)
        if faults:
            raise DemoFailed("the checker does not accept the plan: " + "; ".join(faults[:5]))
        typer.echo("checked from scratch: rules, value, counts and bound all hold")
        with open_database(settings) as engine:
            report = import_folder(engine, allocation.neighbourhood, folder, plan=plan, replace=True)
            typer.echo(f"stored as {report.slug}: {report.bays:,} bays, base map of {report.streets:,} streets")
            if serve:
                serve_on(settings, engine)


def _say_plan(plan: Mapping[str, Any]) -> None:
    left_m = (plan["bound_m"] - plan["value_m"]) / max(1, plan["demands"])
    words = "proven optimal" if plan["status"] == "optimal" else f"at most {left_m:.3f} m a household left"
    typer.echo(f"allocated: {plan['served']:,} of {plan['demands']:,} served; {words}")
