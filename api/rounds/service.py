"""The life of a round as planners lead it: drafted, opened with its commitment, closed, drawn, called off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.accounts.keys import Keys
from api.calendars.clock import date_of
from api.calendars.day_kinds import day_kinds
from api.facilities.queries import calendar_overrides
from api.neighbourhoods.queries import get_neighbourhood
from api.notices.service import NewNotice, tell
from api.permits.ledger import fill_ledger
from api.rounds import queries
from api.rounds.draw import commitment_of, new_round_secret, seal_secret, seed_of, unseal_secret
from api.rounds.errors import ImpossibleRound, RoundConflict, UnknownYear

LONGEST_TERM_DAYS = 366
SHORTEST_DECISION_DAYS = 3
"""Between publication and the term's first evening: an offer waits 72 hours."""


@dataclass(frozen=True, slots=True)
class RoundDraft:
    """
    What a planner wants of a round; moments are aware, dates local, `last` included.

    `facilities` are ids, all that is published without. `provisional_acknowledged` says that the planner knows that
    some days of the term are not decided yet.
    """

    name: str
    opens_at: datetime
    closes_at: datetime
    publishes_at: datetime
    first: date
    last: date
    number_source: str
    facilities: tuple[int, ...] = ()
    policy: Mapping[str, Any] | None = None
    work: Mapping[str, Any] | None = None
    provisional_acknowledged: bool = False


def create_round(
    connection: Connection, neighbourhood: str, draft: RoundDraft, *, account_id: int | None, now: datetime
) -> Row[Any]:
    """
    Draft a round.

    Raises
    ------
    NeighbourhoodNotFound, ImpossibleRound, UnknownYear
        There is none of this slug; dates or facilities make no sense; the term reaches into a year nobody has decided.
    """
    place = get_neighbourhood(connection, neighbourhood)
    facilities = _checked(connection, place.id, draft, now=now)
    round_id = queries.add_round(
        connection, _values(draft) | {"neighbourhood": place.id, "account": account_id, "now": now}, facilities
    )
    return queries.get_round(connection, round_id)


def edit_round(connection: Connection, round_id: int, draft: RoundDraft, *, version: int, now: datetime) -> Row[Any]:
    """
    Change a draft; what is open has dates that are kept.

    Raises
    ------
    RoundNotFound, RoundConflict, ImpossibleRound, UnknownYear
        As for a new one; it is no draft any more, or somebody changed it meanwhile.
    """
    queries.lock_round(connection, round_id)
    there = queries.get_round(connection, round_id)
    facilities = _checked(connection, there.neighbourhood_id, draft, now=now)
    if not queries.edit_round(connection, round_id, version=version, values=_values(draft), facilities=facilities):
        if there.state != "draft":
            raise RoundConflict(f"the round is {there.state}: its dates are public and kept")
        raise RoundConflict("somebody changed the draft meanwhile: read it again")
    return queries.get_round(connection, round_id)


def _values(draft: RoundDraft) -> dict[str, Any]:
    return {
        "name": draft.name,
        "opens_at": draft.opens_at,
        "closes_at": draft.closes_at,
        "publishes_at": draft.publishes_at,
        "first": draft.first,
        "last": draft.last,
        "number_source": draft.number_source,
        "policy": dict(draft.policy or {}),
        "work": dict(draft.work or {}),
    }


def _checked(connection: Connection, neighbourhood_id: int, draft: RoundDraft, *, now: datetime) -> list[int]:
    """Return the facilities of a draft that makes sense."""
    place = queries.place_of(connection, neighbourhood_id)
    zone = ZoneInfo(place.timezone)
    if not draft.opens_at < draft.closes_at < draft.publishes_at:
        raise ImpossibleRound("opens_at, closes_at and publishes_at must come one after the other")
    if draft.closes_at <= now:
        raise ImpossibleRound("closes_at has passed already")
    if draft.last < draft.first:
        raise ImpossibleRound(f"last is {draft.last}, before first = {draft.first}")
    if (draft.last - draft.first).days >= LONGEST_TERM_DAYS:
        raise ImpossibleRound(f"a term lasts {LONGEST_TERM_DAYS} days at most")
    earliest = draft.publishes_at.astimezone(zone).date() + timedelta(days=SHORTEST_DECISION_DAYS)
    if draft.first < earliest:
        raise ImpossibleRound(
            f"first is {draft.first}: offers wait 72 hours after publication, so the term begins on {earliest} or later"
        )
    _require_known_days(connection, neighbourhood_id, place.country, draft)
    return _supply(connection, neighbourhood_id, draft.facilities)


def _require_known_days(connection: Connection, neighbourhood_id: int, country: str, draft: RoundDraft) -> None:
    kinds = day_kinds(
        country, first=draft.first, last=draft.last, overrides=calendar_overrides(connection, neighbourhood_id)
    )
    unknown = [date_of(kinds.first + k) for k in range(len(kinds.provisional)) if kinds.provisional[k]]
    if unknown and not draft.provisional_acknowledged:
        raise UnknownYear(
            f"the holidays of {len(unknown)} days of the term, {unknown[0]} to {unknown[-1]}, are not decided yet: "
            "end the term before them, land the notice when it comes, or say `provisional_acknowledged`; permits are "
            "recomputed then"
        )


def _supply(connection: Connection, neighbourhood_id: int, wanted: Sequence[int]) -> list[int]:
    if not wanted:
        wanted = queries.published_facility_ids(connection, neighbourhood_id)
        if not wanted:
            raise ImpossibleRound("the neighbourhood has no published facility")
    found = queries.facilities_by_id(connection, wanted)
    for facility_id in wanted:
        facility = found.get(facility_id)
        if facility is None or facility.neighbourhood_id != neighbourhood_id or facility.status != "published":
            raise ImpossibleRound(f"facility {facility_id} is not published in this neighbourhood")
    return sorted(found)


def open_round(
    connection: Connection, keys: Keys, round_id: int, *, now: datetime, secret: bytes | None = None
) -> Row[Any]:
    """
    Announce a round: its dates are fixed, a secret is committed to, its bays and nights are reserved.

    Parameters
    ----------
    secret
        256 bits, drawn by chance without; only a simulation that is to be repeated brings its own.

    Raises
    ------
    RoundNotFound, RoundConflict, ImpossibleRound
        It is no draft, or another round has a facility in its term; it would close in the past, or one-off bookings
        reach into its term.
    """
    queries.lock_round(connection, round_id)
    there = queries.get_round(connection, round_id)
    if there.state != "draft":
        raise RoundConflict(f"the round is {there.state} already")
    if there.closes_at <= now:
        raise ImpossibleRound("closes_at has passed already: change the dates first")
    zone = ZoneInfo(there.timezone)
    sold = queries.find_sold_into(connection, round_id, begins=datetime.combine(there.first, time(12), tzinfo=zone))
    if sold is not None:
        until = sold.materialised_until.astimezone(zone).date()
        raise ImpossibleRound(
            f"nights at {sold.name} are on sale until {until}: the term must begin on {until} or later"
        )
    secret = secret or new_round_secret()
    if not queries.open_round(
        connection, round_id, commitment=commitment_of(secret), sealed=seal_secret(keys, secret), now=now
    ):
        raise RoundConflict("somebody opened the round at this moment")
    fill_ledger(connection, list(there.facilities), first=there.first, last=there.last)
    return queries.get_round(connection, round_id)


def close_due_rounds(connection: Connection, *, now: datetime) -> int:
    """Close every round whose closing time has come, and tell those who applied; return how many were closed."""
    closed = 0
    for round_id in queries.list_due(connection, now=now):
        queries.lock_round(connection, round_id)
        if queries.close_round(connection, round_id, now=now):
            closed += 1
            said = {"next_date": queries.get_round(connection, round_id).publishes_at.isoformat()}
            _tell_applicants(connection, round_id, said, kind="round_closed", now=now)
    return closed


def enter_number(connection: Connection, keys: Keys, round_id: int, *, number: str, now: datetime) -> Row[Any]:
    """
    Note the public number drawn after closing; the seed follows and the secret is shown from then on.

    Raises
    ------
    RoundNotFound, RoundConflict
        It is not closed, or has its number already.
    ImpossibleRound
        The number is empty.
    """
    number = " ".join(number.split())  # blanks say nothing, and nobody shall try seeds by adding some
    if not number:
        raise ImpossibleRound("the public number is empty")
    queries.lock_round(connection, round_id)
    there = queries.get_round(connection, round_id)
    if there.seed is not None:
        raise RoundConflict("the round has its public number already: nothing is drawn twice")
    if there.state != "closed" or there.closes_at > now:
        raise RoundConflict("the public number is drawn after closing")
    seed = seed_of(unseal_secret(keys, there.secret_sealed), number)
    if not queries.set_number(connection, round_id, number=number, seed=seed):
        raise RoundConflict("somebody entered it at this moment")
    return queries.get_round(connection, round_id)


def cancel_round(connection: Connection, round_id: int, *, reason: str, now: datetime) -> Row[Any]:
    """
    Call a round off before it is published; its applicants are told why.

    Raises
    ------
    RoundNotFound, RoundConflict
        It is published, being allocated, or was called off.
    """
    queries.lock_round(connection, round_id)
    there = queries.get_round(connection, round_id)
    if not queries.cancel_round(connection, round_id, now=now):
        raise RoundConflict(f"the round is {there.state}: it cannot be called off")
    if there.state != "draft":
        queries.release_ledger(connection, list(there.facilities), first=there.first, last=there.last)
        _tell_applicants(connection, round_id, {"reason": reason}, kind="application_refused", now=now)
    return queries.get_round(connection, round_id)


def _tell_applicants(
    connection: Connection, round_id: int, said: Mapping[str, str], *, kind: str, now: datetime
) -> None:
    """Tell everybody whose application stands; of a round that is called off there is no next date."""
    told = [
        NewNotice(row.household_id, kind, {"round": round_id, **said, "application": row.id})
        for row in queries.applicants(connection, round_id)
    ]
    tell(connection, told, now=now)


def secret_of(keys: Keys, there: Row[Any]) -> bytes | None:
    """Return the secret of a round once the seed is fixed, so that everybody can draw again; None before."""
    return None if there.seed is None else unseal_secret(keys, there.secret_sealed)
