"""A day of a season: the jobs of the clock, and what residents, gates and owners do, each at its hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from api.jobs.queries import work
from api.jobs.service import roll_horizon
from api.notices.carrying import route_notices, settle_notices
from api.offers.service import deliver_late_offers, lapse_offers, remind_of_offers
from api.overstays.jobs import size_buffers, strike_late_cars
from api.permits.jobs import tell_of_terms_ending, turn_rounds
from api.simulation.gates import see_the_night
from api.simulation.guests import book_tonight
from api.simulation.residents import Residents
from api.simulation.season import Season
from api.waitlist.jobs import refresh_dates

_HOUR = timedelta(hours=1)
_OFFERS_EVERY_H = 2


def daily_round(season: Season, residents: Residents, *, end: datetime, progress: Callable[[str], None]) -> None:
    """Put the days from now to the end on the agenda, hour by hour."""
    moment = season.now.replace(minute=7, second=0, microsecond=0) + _HOUR
    while moment < end:
        hour = moment.astimezone(season.zone).hour
        if hour % _OFFERS_EVERY_H == 0:
            season.at(moment, lambda season: _look_after_offers(season, residents))
        if hour == 0:
            season.at(moment + timedelta(minutes=1), _nightly)
        if hour == 3:
            season.at(moment + timedelta(minutes=1), lambda season: _told(season, progress))
        if hour == 11:
            season.at(moment + timedelta(minutes=1), lambda season: see_the_night(season, residents.people))
        if hour == 17:
            season.at(moment + timedelta(minutes=1), lambda season: book_tonight(season, residents.people))
        if hour == 15:
            season.at(moment + timedelta(minutes=1), residents.live_a_day)
        moment += _HOUR


def _look_after_offers(season: Season, residents: Residents) -> None:
    now = season.now
    route_notices(season.engine, by_mail=False, now=now)
    settle_notices(season.engine, now=now)  # everybody has the inbox, and nothing else
    with work(season.engine) as connection:
        deliver_late_offers(connection, now=now)
        season.tally["offers_lapsed"] += lapse_offers(connection, now=now)
        season.tally["reminders"] += remind_of_offers(connection, now=now)
    residents.look_at_offers(season)


def _nightly(season: Season) -> None:
    now = season.now
    season.tally["permits_over"] += turn_rounds(season.engine, now=now)["permits_over"]
    tell_of_terms_ending(season.engine, now=now)
    season.tally["strikes"] += strike_late_cars(season.engine, now=now)["strikes"]
    size_buffers(season.engine, now=now)
    rolled = roll_horizon(season.engine, now=now)
    season.tally["nights_placed"] += rolled.get("nights_placed", 0)
    refresh_dates(season.engine, now=now)


def _told(season: Season, progress: Callable[[str], None]) -> None:
    progress(f"{season.now.astimezone(season.zone):%Y-%m-%d}")
