"""Commands about accounts and owners: grant-planner, owners."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.options import AsJson

commands = typer.Typer()


@commands.command("grant-planner")
def grant_planner(
    subject: Annotated[str, typer.Argument(help="The account's log-in name.", show_default=False)],
    *,
    issuer: Annotated[str, typer.Option(help="Who vouches for the account; `local` has a password here.")] = "local",
) -> None:
    """
    Make an account a planner; planners grant every other role.

    Example: baytide grant-planner anna
    """
    from api.db.preparing import open_database
    from api.grants.service import grant_planner as run
    from api.settings import Settings

    with open_database(Settings()) as engine:
        grant = run(engine, subject, issuer=issuer)
    typer.echo(f"granted: planner (grant {grant})")


@commands.command("owners")
def list_owners(
    *,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most rows.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """
    List owners, the oldest first; what one drafts is published once it is verified.

    Example: baytide owners
    """
    from api.cli.acting import acting_as_planner
    from api.cli.listing import print_list
    from api.cli.tables import minute_utc, number
    from api.grants.queries import list_owners as run
    from api.grants.schemas import owner_out

    with acting_as_planner() as acting:
        found = [owner_out(row) for row in run(acting.connection, among=None, after=0, limit=limit)]
    print_list(
        found,
        ("owner", "name", "verified, UTC"),
        lambda one: (number(one.id), one.name, minute_utc(one.verified_at)),
        as_json=as_json,
    )
