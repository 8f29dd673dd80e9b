"""Commands about money: ledger balance, export."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import complain, print_json
from api.cli.options import CHECK_FAILED, AsJson

if TYPE_CHECKING:
    from sqlalchemy import Connection

commands = typer.Typer()
_ledger = typer.Typer(help="Fees, deposits and refunds: the balance, and every entry.", no_args_is_help=True)
commands.add_typer(_ledger, name="ledger")
_AT_ONCE = 10_000


@_ledger.command()
def balance(*, as_json: AsJson = False) -> None:
    """Print debits, credits and the balance of every kind of account; fails where they do not add up to nothing."""
    from api.db.preparing import open_database
    from api.money.queries import trial_balance
    from api.settings import Settings

    with open_database(Settings()) as engine, engine.begin() as connection:
        _as_planner(connection)
        rows = trial_balance(connection)
    total = sum(int(row.balance) for row in rows)
    if as_json:
        print_json({"accounts": {row.account: int(row.balance) for row in rows}, "sum": total})
    else:
        for row in rows:
            typer.echo(f"{row.account:<16} {row.debits:>14,} {row.credits:>14,} {row.balance:>14,}")
        typer.echo(f"{'sum':<16} {total:>44,}")
    if total:
        complain("the ledger does not add up to nothing")
        raise typer.Exit(CHECK_FAILED)


@_ledger.command()
def export(*, after: Annotated[int, typer.Option(min=0, help="Only acts with a higher id.")] = 0) -> None:
    """Print every entry as CSV, households by their pseudonyms."""
    from api.db.preparing import open_database
    from api.money.queries import list_lines
    from api.settings import Settings

    columns = (
        "id",
        "reference",
        "kind",
        "receipt",
        "booked_at",
        "position",
        "account",
        "pseudonym",
        "facility_id",
        "owner_id",
        "provider",
        "cents",
    )
    out = csv.writer(sys.stdout)
    out.writerow(columns)
    with open_database(Settings()) as engine, engine.begin() as connection:
        _as_planner(connection)
        while rows := list_lines(connection, after=after, limit=_AT_ONCE):
            for row in rows:
                out.writerow([getattr(row, column) for column in columns])
            after = rows[-1].id


def _as_planner(connection: Connection) -> None:
    """Take on the rights of a planner; whoever runs commands has those of the machine anyway."""
    from api.accounts.opening import open_as
    from api.accounts.principal import PLANNER, Principal

    open_as(connection, Principal(None, None, frozenset({PLANNER}), frozenset(), "anonymous"))
