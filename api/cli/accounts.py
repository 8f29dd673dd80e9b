"""Commands about accounts: grant-planner."""

from __future__ import annotations

from typing import Annotated

import typer

commands = typer.Typer()


@commands.command("grant-planner")
def grant_planner(
    subject: Annotated[str, typer.Argument(help="The account's log-in name.", show_default=False)],
    *,
    issuer: Annotated[str, typer.Option(help="Who vouches for the account; `local` has a password here.")] = "local",
) -> None:
    """Make an account a planner; planners grant every other role."""
    from api.db.preparing import open_database
    from api.grants.service import grant_planner as run
    from api.settings import Settings

    with open_database(Settings()) as engine:
        grant = run(engine, subject, issuer=issuer)
    typer.echo(f"granted: planner (grant {grant})")
