"""The program: its commands put together, and every error turned into words and an exit code."""

from __future__ import annotations

import signal
import sys
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from api.cli import (
    accounts,
    calendars,
    capacity,
    facilities,
    gates,
    kpis,
    ledger,
    neighbourhoods,
    overstays,
    permits,
    plans,
    reports,
    rounds,
    service,
    simulate,
    waitlist,
    webhooks,
    withdrawals,
)
from api.cli.console import complain, complain_of
from api.cli.options import BAD_INPUT, NO_PLAN
from api.errors import ApiError, DatabaseUnavailable, FolderFaults, NoPlan

app = typer.Typer(
    name="baytide",
    help="Shared night parking: bays that stand empty given to the households around them, fairly and with a proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for noun in (
    plans,
    reports,
    neighbourhoods,
    rounds,
    permits,
    waitlist,
    accounts,
    calendars,
    capacity,
    facilities,
    gates,
    overstays,
    ledger,
    webhooks,
    kpis,
    service,
    simulate,
    withdrawals,
):
    app.add_typer(noun.commands)


def main() -> None:
    """Run the command line: 0 done, 1 a check failed, 2 bad input, 3 no plan or no database."""
    # Ended by SIGTERM as by Ctrl-C, a command stops what it started; the default would leave a database running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except FolderFaults as error:
        complain_of(error.faults)
        sys.exit(BAD_INPUT)
    except (NoPlan, DatabaseUnavailable) as error:
        complain(str(error))
        sys.exit(NO_PLAN)
    except ApiError as error:
        complain(str(error))
        sys.exit(BAD_INPUT)
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        complain(str(error))
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


@app.callback(invoke_without_command=True)
def _about(*, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(installed_version("baytide"))
        raise typer.Exit
