"""Commands that run the service: serve, worker, demo."""

from __future__ import annotations

from typing import Annotated

import typer

commands = typer.Typer()


@commands.command()
def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; this machine only without.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; the next free one when it is taken.", show_default="8080"),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes that serve.", show_default="1")] = None,
) -> None:
    """Serve the API and the page."""
    from api.serving import serve as run
    from api.settings import Settings

    chosen = {key: value for key, value in (("host", host), ("port", port), ("workers", workers)) if value is not None}
    run(Settings(**chosen))  # type: ignore[arg-type]  # names and types are those of the settings


@commands.command()
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


@commands.command()
def worker() -> None:
    """Do what nobody waits for: end holds that ran out, sell the next night, remind, compute runs, forget."""
    from api.cli.console import log_events
    from api.jobs.worker import run_worker
    from api.settings import Settings

    log_events()
    run_worker(Settings())
