"""Commands about money: ledger balance, export, pay, income."""

from __future__ import annotations

import csv
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import complain, print_json
from api.cli.options import CHECK_FAILED, MOST_ID, AsJson

if TYPE_CHECKING:
    from sqlalchemy import Connection

commands = typer.Typer()
_ledger = typer.Typer(help="Fees, deposits and refunds: the balance, and every entry.", no_args_is_help=True)
commands.add_typer(_ledger, name="ledger")
_AT_ONCE = 10_000
_DAY = ["%Y-%m-%d"]


@_ledger.command()
def balance(*, as_json: AsJson = False) -> None:
    """
    Print debits, credits and the balance of every kind of account; fails where they do not add up to nothing.

    Example: baytide ledger balance
    """
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
def export(*, after: Annotated[int, typer.Option(min=0, max=MOST_ID, help="Only acts with a higher id.")] = 0) -> None:
    """
    Print every entry as CSV, households by their pseudonyms; what a sheet would take for a formula begins with '.

    Example: baytide ledger export > entries.csv
    """
    from api.db.preparing import open_database
    from api.money.queries import list_lines
    from api.settings import Settings
    from api.sheets import harmless

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
                cells = [getattr(row, column) for column in columns]
                out.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])
            after = rows[-1].id


@_ledger.command()
def pay(
    code: Annotated[str, typer.Argument(help="The code that the household shows.", show_default=False)],
    cents: Annotated[int, typer.Argument(help="What was received, or paid out.", show_default=False)],
    *,
    receipt: Annotated[str, typer.Option(help="Number of the receipt; never of a card.", show_default=False)],
) -> None:
    """
    Note money received or paid out at the counter; the same receipt is noted once.

    Whether it is a payment or a refund follows from the code: never more is paid out than is owed to the household.

    Example: baytide ledger pay 7KQ2M4XW9A 30000 --receipt 2026-17
    """
    from api.cli.acting import acting_as_planner
    from api.cli.reading import read_words
    from api.money.paying import note_payment
    from api.money.providers import Counter
    from api.money.schemas import PaymentIn

    paid = read_words(PaymentIn, {"code": code, "cents": cents, "receipt": receipt})
    with acting_as_planner() as acting:
        noted = note_payment(
            acting.connection,
            code=paid.code,
            cents=paid.cents,
            receipt=paid.receipt,
            provider=Counter().name,
            account_id=None,
            now=acting.now,
        )
    typer.echo(f"noted: {noted:,} cents" if noted else "noted before: nothing is new")


@_ledger.command()
def income(
    owner: Annotated[int, typer.Argument(help="Number of the owner.", min=1, max=MOST_ID, show_default=False)],
    *,
    first: Annotated[datetime, typer.Option("--from", formats=_DAY, help="First day, in UTC.", show_default=False)],
    last: Annotated[datetime, typer.Option("--to", formats=_DAY, help="Last day, in UTC.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """
    Print what an owner's facilities earned, and a night of a bay.

    Example: baytide ledger income 4 --from 2026-12-01 --to 2026-12-31
    """
    from datetime import UTC, timedelta

    from api.cli.acting import acting_as_owner
    from api.cli.listing import print_list
    from api.cli.tables import number
    from api.money.queries import list_income
    from api.money.schemas import income_out

    since, past = first.replace(tzinfo=UTC), last.replace(tzinfo=UTC) + timedelta(days=1)
    if past <= since:
        raise typer.BadParameter("--to must not lie before --from")
    with acting_as_owner(owner) as (acting, _):
        found = income_out(list_income(acting.connection, [owner], first=since, past=past))
    print_list(
        found.facilities,
        ("facility", "name", "cents", "nights", "cents a night"),
        lambda one: (number(one.facility), one.name, one.cents, one.nights, one.cents_a_night),
        as_json=as_json,
    )


def _as_planner(connection: Connection) -> None:
    """Take on the rights of a planner; whoever runs commands has those of the machine anyway."""
    from api.accounts.opening import open_as
    from api.accounts.principal import PLANNER, Principal

    open_as(connection, Principal(None, None, frozenset({PLANNER}), frozenset(), "anonymous"))
