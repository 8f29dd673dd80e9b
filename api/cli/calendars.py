"""Commands about calendars: calendar show, notices, land, seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import complain, print_json
from api.cli.options import CHECK_FAILED, AsJson

if TYPE_CHECKING:
    from sqlalchemy import Connection

commands = typer.Typer()
_calendar = typer.Typer(
    help="Workdays and rest days: shown, seeded, and changed when a notice lands.", no_args_is_help=True
)
commands.add_typer(_calendar, name="calendar")


@contextmanager
def _as_planner() -> Iterator[Connection]:
    """Open one transaction with the rights of a planner; whoever runs commands has those of the machine anyway."""
    from api.accounts.opening import open_as
    from api.accounts.principal import PLANNER, Principal
    from api.db.preparing import open_database
    from api.settings import Settings

    with open_database(Settings()) as engine, engine.begin() as connection:
        open_as(connection, Principal(None, None, frozenset({PLANNER}), frozenset(), "anonymous"))
        yield connection


@_calendar.command()
def show(
    neighbourhood: Annotated[str, typer.Argument(help="By name or address word.")],
    *,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day; today without.", show_default=False),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last day; four weeks without.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Show a neighbourhood's days, and which of them nobody has decided yet.

    Example: baytide calendar show town --from 2026-10-01 --to 2026-10-08
    """
    from dataclasses import asdict
    from datetime import UTC, timedelta

    from api.calendars.service import days_of
    from api.neighbourhoods.loading import get_neighbourhood_row

    begin = (first or datetime.now(UTC)).date()
    end = begin + timedelta(days=27) if last is None else last.date()
    with _as_planner() as connection:
        days = days_of(connection, get_neighbourhood_row(connection, neighbourhood).id, first=begin, last=end)
    if as_json:
        print_json({"days": [{**asdict(day), "date": day.date.isoformat()} for day in days]})
        return
    for day in days:
        marks = " ".join(word for word in (day.holiday, "(provisional)" if day.provisional else "") if word)
        typer.echo(f"{day.date} {day.date:%a}  {day.kind:<8}  {marks}".rstrip())


@_calendar.command()
def notices(
    neighbourhood: Annotated[str, typer.Argument(help="By name or address word.")], *, as_json: AsJson = False
) -> None:
    """
    List the notices that a calendar was made by, the newest first, and how many each hit.

    Example: baytide calendar notices town
    """
    from api.calendars.queries import list_notices
    from api.calendars.schemas import landed_out
    from api.cli.listing import print_list
    from api.cli.tables import minute_utc
    from api.neighbourhoods.loading import get_neighbourhood_row

    with _as_planner() as connection:
        place = get_neighbourhood_row(connection, neighbourhood)
        found = [landed_out(row, neighbourhood=place.slug) for row in list_notices(connection, place.id)]
    print_list(
        found,
        ("landed, UTC", "year", "days", "permits", "stays", "households", "source"),
        lambda one: (
            minute_utc(one.landed_at),
            str(one.year),
            len(one.days) if one.decided else "nobody has decided yet",
            one.permits,
            one.stays,
            one.households,
            one.source,
        ),
        as_json=as_json,
    )


@_calendar.command()
def land(
    file: Annotated[Path, typer.Argument(help="Days as CSV (date,kind,holiday) or JSON.", exists=True, dir_okay=False)],
    *,
    year: Annotated[int, typer.Option(min=2000, max=2199)],
    source: Annotated[str, typer.Option(help="Which notice says so.")],
    country: Annotated[str | None, typer.Option(help="ISO 3166 code, as CN.", show_default=False)] = None,
    neighbourhood: Annotated[
        str | None, typer.Option(help="Only this one, by name or address word.", show_default=False)
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="Of the preview: goes ahead. Without it nothing is changed.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """
    Land a notice: first without a token to see whom it hits, then with it.

    Example: baytide calendar land 2027.csv --country CN --year 2027 --source "notice 7 of 2026"
    """
    from dataclasses import asdict
    from datetime import UTC

    from api.calendars.errors import UnusableDays
    from api.calendars.landing import Landing, Notice, confirm_notice, preview_notice
    from api.calendars.reading import read_days
    from api.errors import FolderFaults
    from api.neighbourhoods.loading import get_neighbourhood_row

    try:
        days = read_days(file.read_text(encoding="utf-8"), year=year, file=file.name)
    except UnusableDays as error:
        raise FolderFaults(error.faults) from None
    now = datetime.now(UTC)
    with _as_planner() as connection:
        place = None if neighbourhood is None else get_neighbourhood_row(connection, neighbourhood).id
        notice = Notice(year, days, source, None if country is None else country.upper(), place)
        if token is None:
            landing = Landing(preview_notice(connection, notice, account_id=None, now=now), None)
        else:
            landing = confirm_notice(connection, notice, token=token, account_id=None, now=now)
    hits = landing.hits
    if as_json:
        print_json({"notice": landing.notice_id, **asdict(hits)})
    else:
        typer.echo(
            f"{'landed' if landing.notice_id else 'would hit'}: {hits.changed_days:,} days of another kind, "
            f"{hits.permits:,} permits, {hits.stays:,} stays ({hits.bookings:,} bookings), "
            f"{hits.households:,} households; token {hits.token}"
        )
    if token is not None and landing.notice_id is None:
        complain("nothing was changed: it would hit others than those shown; look again, and send the new token")
        raise typer.Exit(CHECK_FAILED)


@_calendar.command()
def seed(
    *,
    country: Annotated[str, typer.Option(help="ISO 3166 code.")] = "CN",
    first: Annotated[int, typer.Option("--from", min=2000, max=2199, help="First year.")],
    last: Annotated[int, typer.Option("--to", min=2000, max=2199, help="Last year.")],
) -> None:
    """
    Write the official calendars of a country down, years that are there already aside; that hits nobody.

    Example: baytide calendar seed --country CN --from 2026 --to 2028
    """
    from datetime import UTC

    from api.calendars.service import seed as run

    with _as_planner() as connection:
        seeded = run(connection, country=country, first=first, last=last, account_id=None, now=datetime.now(UTC))
    typer.echo(f"written down: {_years(seeded.added)}; of these nobody has decided yet: {_years(seeded.provisional)}")
    if seeded.to_land:
        complain(f"decided since they were written down: {_years(seeded.to_land)}; land their notices")


def _years(years: tuple[int, ...]) -> str:
    return ", ".join(map(str, years)) or "none"
