"""A notice lands: the calendar is another, and with it openings, nights and what permits take of the ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.calendars import queries
from api.calendars.clock import date_of, day_number
from api.calendars.day_kinds import REST_DAY, DayKinds, day_kinds, why_unknown
from api.calendars.errors import ImpossibleNotice
from api.calendars.ledger import Turned, turn_ledger
from api.calendars.ledger_queries import list_groups, list_held
from api.calendars.stays import Hit, Rewritten, rewrite_stays
from api.calendars.turning import Fitting, Held, Shift, Shifting, Turn
from api.calendars.years import FIRST_YEAR, LAST_YEAR, Day, Year, documents, official_year
from api.jobs.queries import wait_for_other_rolls
from api.neighbourhoods.loading import load_facilities
from api.notices.service import NewNotice, tell
from api.openings.permit_nights import LONGEST_STAY_DAYS
from api.openings.permit_queries import rights_of_worker
from api.openings.queries import facility_rows, group_ids
from api.openings.ticks import utc_minute, utc_moment
from api.openings.unrolling import LOOK_AHEAD_DAYS, LOOK_BACK_DAYS
from api.permits.ledger import lock_ledger

_LONGEST_SOURCE = 200
_MOST_DATES = 40
"""Of those that a notice to a household names."""
_BY_THE_MINUTE = frozenset({"alternatives", "next_date", "refund_cents"})


@dataclass(frozen=True, slots=True)
class Notice:
    """
    What is said of a year, of a country or of one neighbourhood.

    Attributes
    ----------
    country
        As CN; all other days of the year follow its week. Or
    neighbourhood_id
        where these days are another kind than the country says.
    decided
        Whether somebody has decided it; else the year stays provisional. A neighbourhood's own word is always decided.
    source
        Which notice says so, as a reader could find it.
    """

    year: int
    days: tuple[Day, ...]
    source: str
    country: str | None = None
    neighbourhood_id: int | None = None
    decided: bool = True

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if (self.country is None) == (self.neighbourhood_id is None):
            raise ImpossibleNotice("a notice is for a country or for a neighbourhood")
        unknown = None if self.country is None else why_unknown(self.country)
        if unknown:
            raise ImpossibleNotice(unknown)
        if not FIRST_YEAR <= self.year <= LAST_YEAR:
            raise ImpossibleNotice(f"years lie between {FIRST_YEAR} and {LAST_YEAR}")
        if not self.source.strip() or len(self.source) > _LONGEST_SOURCE or not self.source.isprintable():
            raise ImpossibleNotice(f"`source` has 1 to {_LONGEST_SOURCE} letters, without control characters")
        if any(day.date.year != self.year for day in self.days) or len({d.date for d in self.days}) < len(self.days):
            raise ImpossibleNotice("every day must lie in the year, once")
        if self.neighbourhood_id is not None and not self.decided:
            raise ImpossibleNotice("a neighbourhood's own word is decided")


@dataclass(frozen=True, slots=True)
class Hits:
    """Whom a notice hits: numbers, never names. `token` confirms exactly this."""

    changed_days: int
    stays: int
    bookings: int
    permits: int
    households: int
    token: str


@dataclass(frozen=True, slots=True)
class Landing:
    """What a notice hits, and its id where it has landed."""

    hits: Hits
    notice_id: int | None


@dataclass(slots=True)
class _Told:
    """What is to be told; without the id of the notice, which is not known to a preview."""

    changed_days: int = 0
    stays: int = 0
    bookings: int = 0
    permits: set[int] = field(default_factory=set)
    notices: list[NewNotice] = field(default_factory=list)


def land_notice(
    connection: Connection,
    *,
    year: int,
    days: Sequence[Day],
    source: str,
    account_id: int | None,
    now: datetime,
    country: str | None = None,
    neighbourhood_id: int | None = None,
    decided: bool = True,
) -> Landing:
    """
    Land a notice, whomever it hits: everything it changes is changed in this transaction, or nothing.

    Openings are rewritten, nights of permits and stays that are sold are worked out anew, what permits take of the
    ledger too; those affected are told, and only they. Undone by landing the days that held before.

    Raises
    ------
    ImpossibleNotice
        It makes no sense, or would take all holidays of a country's year away.
    """
    notice = Notice(year, tuple(sorted(days)), source, _upper(country), neighbourhood_id, decided)
    return _land(connection, notice, account_id=account_id, now=now)


def preview_notice(connection: Connection, notice: Notice, *, account_id: int | None, now: datetime) -> Hits:
    """Tell whom a notice would hit, by landing it and taking that back."""
    savepoint = connection.begin_nested()
    landing = _land(connection, notice, account_id=account_id, now=now)
    savepoint.rollback()
    return landing.hits


def confirm_notice(
    connection: Connection, notice: Notice, *, token: str, account_id: int | None, now: datetime
) -> Landing:
    """Land a notice if it hits exactly those whom a preview showed; else nothing happens but that the hits are told."""
    savepoint = connection.begin_nested()
    landing = _land(connection, notice, account_id=account_id, now=now)
    if landing.hits.token != token:
        savepoint.rollback()
        return replace(landing, notice_id=None)
    savepoint.commit()
    return landing


def _upper(country: str | None) -> str | None:
    return None if country is None else country.upper()


def _land(connection: Connection, notice: Notice, *, account_id: int | None, now: datetime) -> Landing:
    wait_for_other_rolls(connection)
    if notice.country is not None:
        _require_holidays(connection, notice)
    now = now.replace(second=0, microsecond=0)
    notice_id, turns = _write(connection, notice, account_id=account_id, now=now)
    told = _Told()
    for turn in turns:
        if turn.changed:
            with rights_of_worker(connection):
                _turn(connection, turn, notice, told, now=now)
    households = len({each.household_id for each in told.notices})
    queries.count_hits(connection, notice_id, stays=told.stays, permits=len(told.permits), households=households)
    token = _token(notice, told)
    tell(connection, [_numbered(each, notice_id) for each in told.notices], now=now)
    hits = Hits(told.changed_days, told.stays, told.bookings, len(told.permits), households, token)
    return Landing(hits, notice_id)


# -------------------------------------------------------------------------------------------------------- the table


def _write(connection: Connection, notice: Notice, *, account_id: int | None, now: datetime) -> tuple[int, list[Turn]]:
    """Write a notice down; return its id, and what it changes of every neighbourhood that goes by it."""
    places = queries.list_places(connection, country=notice.country, neighbourhood_id=notice.neighbourhood_id)
    before = [_calendar(connection, place, notice.year, now=now) for place in places]
    notice_id = write_down(connection, notice, account_id=account_id, now=now)
    after = [_calendar(connection, place, notice.year, now=now) for place in places]
    return notice_id, [
        _turn_of(place, *kinds, year=notice.year, now=now)
        for place, kinds in zip(places, zip(before, after, strict=True), strict=True)
    ]


def _require_holidays(connection: Connection, notice: Notice) -> None:
    """
    Refuse a country's year without any holiday where it has had some.

    What a notice says of a year stands for all of it: whoever sends the make-up workdays only would make workdays of
    all holidays.
    """
    if notice.country is None or any(day.kind == REST_DAY for day in notice.days):
        return
    before = queries.find_year(connection, notice.country, notice.year) or official_year(notice.country, notice.year)
    lost = [day.date.isoformat() for day in before.days if day.kind == REST_DAY]
    if lost:
        raise ImpossibleNotice(
            f"the notice names no holiday, and what it says stands for all of {notice.year}: {len(lost)} rest days, "
            f"{lost[0]} to {lost[-1]}, would become workdays; send the whole year, holidays and make-up workdays, or "
            "land single days for a neighbourhood"
        )


def write_down(connection: Connection, notice: Notice, *, account_id: int | None, now: datetime) -> int:
    """Write a notice down, and leave it to the caller that nothing has to follow from it; return its id."""
    notice_id = queries.add_notice(
        connection,
        {
            "country": notice.country,
            "neighbourhood_id": notice.neighbourhood_id,
            "year": notice.year,
            "decided": notice.decided,
            "source": notice.source,
            "days": documents(notice.days),
            "before": _document_before(connection, notice),
            "landed_at": now,
            "landed_by": account_id,
        },
    )
    if notice.country is not None:
        year = Year(notice.country, notice.year, notice.decided, notice.days)
        queries.replace_year(connection, year, notice_id=notice_id)
    if notice.neighbourhood_id is not None:
        queries.replace_own_days(
            connection, notice.neighbourhood_id, year=notice.year, days=notice.days, notice_id=notice_id
        )
    return notice_id


def _document_before(connection: Connection, notice: Notice) -> dict[str, Any]:
    if notice.country is not None:
        year = queries.find_year(connection, notice.country, notice.year)
        return (year or official_year(notice.country, notice.year)).document()
    own = queries.own_days(connection, notice.neighbourhood_id or 0, year=notice.year)
    return {"decided": True, "days": documents(tuple(own))}


def _calendar(connection: Connection, place: Row[Any], year: int, *, now: datetime) -> DayKinds:
    """Return the calendar from the longest stay before today to the one after the last permit, and all of a year."""
    today = now.astimezone(ZoneInfo(place.timezone)).date()
    overrides = queries.calendar_overrides(connection, place.id)
    last = max(today + timedelta(days=LOOK_AHEAD_DAYS), place.until or today, date(year, 12, 31))
    return day_kinds(
        place.country,
        first=today - timedelta(days=2 * LONGEST_STAY_DAYS),
        last=last + timedelta(days=2 * LONGEST_STAY_DAYS + len(overrides)),
        overrides=overrides,
    )


def _turn_of(place: Row[Any], before: DayKinds, after: DayKinds, *, year: int, now: datetime) -> Turn:
    zone = ZoneInfo(place.timezone)
    today = day_number(now.astimezone(zone).date())
    first = max(today - LOOK_BACK_DAYS, day_number(date(year, 1, 1)))
    changed = [
        day
        for day in range(first, day_number(date(year, 12, 31)) + 1)
        if before.is_workday(day) != after.is_workday(day)
    ]
    return Turn(place.id, zone, today, before, after, tuple(changed))


# ------------------------------------------------------------------------------------------------------ what follows


def _turn(connection: Connection, turn: Turn, notice: Notice, told: _Told, *, now: datetime) -> None:
    """Let the permits, stays and openings of a neighbourhood follow its calendar."""
    since = date_of(turn.today - LONGEST_STAY_DAYS)
    # Whoever had the ledger may have given permits, or ended some: they are looked at when it is ours.
    # Its facilities come after the ledger, as for everybody: `rewrite_stays` locks them.
    lock_ledger(connection, list_groups(connection, turn.neighbourhood_id))
    held = list_held(connection, turn.neighbourhood_id, since=since)
    fitting = _fitting(connection, turn, held)
    turned = turn_ledger(
        connection, [Turned(each, each.leaving_out(fitting.days_left_out(each))) for each in held], turn
    )
    shifting = Shifting(turn, utc_minute(now))
    shifts = {}
    for each in turned:
        shift = shifting.shift(each.old, each.new)
        if shift:
            shifts[each.new.right.id] = each.new, shift
    written = rewrite_stays(connection, turn, shifts, shifting, now=now)
    told.changed_days += len(turn.changed)
    _note(told, notice, shifts, written, turn)


def _fitting(connection: Connection, turn: Turn, held: Sequence[Held]) -> Fitting:
    fitting = Fitting(turn)
    ids = sorted({each.facility_id for each in held})
    if not ids:
        return fitting
    codes = {row.code: row.id for row in facility_rows(connection, ids=ids)}
    groups = group_ids(connection, ids)
    for facility in load_facilities(connection, turn.neighbourhood_id, ids=ids):
        fitting.learn(facility, [groups[codes[facility.id], group.id] for group in facility.bay_groups])
    return fitting


def _note(
    told: _Told, notice: Notice, shifts: Mapping[int, tuple[Held, Shift]], written: Rewritten, turn: Turn
) -> None:
    """Note who is to be told of what: of each permit once, of every other stay that was hit."""
    told.stays += written.nights + len(written.hits)
    permits = set()
    for permit_id, (held, planned) in shifts.items():
        shift = planned.with_standing(written.standing.get(permit_id, {}))
        if shift:
            permits.add(permit_id)
            told.notices.append(_of_permit(notice, held, shift, written.without_bay.get(permit_id, ()), turn))
    for hit in written.hits:
        told.bookings += hit.permit_id is None
        if hit.permit_id not in permits:
            told.notices.append(_of_stay(notice, hit))
    told.permits |= permits | {hit.permit_id for hit in written.hits if hit.permit_id is not None}


def _of_permit(notice: Notice, held: Held, shift: Shift, without: Sequence[date], turn: Turn) -> NewNotice:
    facts: dict[str, Any] = {
        "permit": held.right.id,
        "facility": held.facility_id,
        "reason": notice.source,
        "nights_added": _texts(shift.come),
        "nights_removed": _texts(shift.gone),
        "leave_by": [
            {"night": night.isoformat(), "to": utc_moment(end_min).astimezone(turn.zone).isoformat()}
            for night, end_min in shift.moved[:_MOST_DATES]
        ],
        "without_bay": _texts(without),
        "next_date": max(shift.first, date_of(turn.today)).isoformat(),
    }
    return NewNotice(held.right.household_id, "permit_changed", facts)


def _of_stay(notice: Notice, hit: Hit) -> NewNotice:
    facts: dict[str, Any] = {
        "facility": hit.facility_id,
        "from": hit.start.isoformat(),
        "to": hit.end.isoformat(),
        "reason": notice.source,
        "what": "cancelled" if hit.until is None else "ends_earlier",
        "alternatives": [dict(each) for each in hit.alternatives],
        "next_date": (hit.until or hit.start).isoformat(),
    }
    if hit.lost_cents:
        facts["refund_cents"] = hit.lost_cents
    return NewNotice(hit.household_id, "calendar_changed", facts, stay_id=hit.stay_id)


def _texts(nights: Sequence[date]) -> list[str]:
    return [night.isoformat() for night in nights[:_MOST_DATES]]


def _numbered(notice: NewNotice, notice_id: int) -> NewNotice:
    return replace(notice, facts={**notice.facts, "calendar_notice": notice_id})


def _token(notice: Notice, told: _Told) -> str:
    """Tell one outcome from another; what changes by the minute, as free bays elsewhere, is left aside."""
    told_of = [[each.household_id, each.kind, each.stay_id, _lasting(each.facts)] for each in told.notices]
    words = [
        notice.country,
        notice.neighbourhood_id,
        notice.year,
        notice.decided,
        notice.source,
        documents(notice.days),
    ]
    return hashlib.sha256(json.dumps([words, told_of], sort_keys=True, default=str).encode()).hexdigest()[:32]


def _lasting(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts without what whoever stands there has to go by: it is later with every minute."""
    lasting = {name: value for name, value in facts.items() if name not in _BY_THE_MINUTE}
    return {**lasting, "leave_by": [each["night"] for each in facts.get("leave_by", ())]}
