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
from api.openings.queries import lock_exclusively
from api.permits.ledger import fill_ledger, lock_ledger
from api.permits.ledger_queries import list_groups
from api.rounds import queries
from api.rounds.draw import commitment_of, new_round_secret, seal_secret, seed_of, unseal_secret
from api.rounds.errors import ImpossibleRound, RoundConflict, UnknownYear

LONGEST_TERM_DAYS = 366
FARTHEST = timedelta(days=3 * 366)
"""How far from now the dates of a round may be."""
GRACE = timedelta(hours=2)
"""After `publishes_at`, before which nothing is published: a planner needs a while, and nobody is told in it."""
TOLD_AGAIN = timedelta(days=7)
"""Between two notices of a round that nobody publishes."""
SHORTEST_DECISION_DAYS = 3
"""Between publication and the term's first evening: an offer waits 72 hours."""


@dataclass(frozen=True, slots=True)
class RoundDraft:
    """
    What a planner wants of a round; moments are aware, dates local, `last` included.

    `facilities` are ids, all that is published without. `provisional_acknowledged` says that the planner knows that
    some days of the term are not decided yet. `deposit_cents` is left with us while a permit is in force.
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
    deposit_cents: int = 0


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
        "deposit_cents": draft.deposit_cents,
    }


def _checked(connection: Connection, neighbourhood_id: int, draft: RoundDraft, *, now: datetime) -> list[int]:
    """Return the facilities of a draft that makes sense."""
    place = queries.place_of(connection, neighbourhood_id)
    zone = ZoneInfo(place.timezone)
    _require_near(draft.opens_at, draft.closes_at, draft.publishes_at, now=now)
    if not draft.opens_at < draft.closes_at < draft.publishes_at:
        raise ImpossibleRound("opens_at, closes_at and publishes_at must come one after the other")
    if draft.closes_at <= now:
        raise ImpossibleRound("closes_at has passed already")
    if draft.last < draft.first:
        raise ImpossibleRound(f"last is {draft.last}, before first = {draft.first}")
    if (draft.last - draft.first).days >= LONGEST_TERM_DAYS:
        raise ImpossibleRound(f"a term lasts {LONGEST_TERM_DAYS} days at most")
    if draft.last > (now + FARTHEST).date():
        raise ImpossibleRound(f"last is {draft.last}, more than {FARTHEST.days} days ahead: is the year right?")
    earliest = draft.publishes_at.astimezone(zone).date() + timedelta(days=SHORTEST_DECISION_DAYS)
    if draft.first < earliest:
        raise ImpossibleRound(
            f"first is {draft.first}: offers wait 72 hours after publication, so the term begins on {earliest} or later"
        )
    _require_known_days(connection, neighbourhood_id, place.country, draft)
    return _supply(connection, neighbourhood_id, draft.facilities)


def _require_near(*moments: datetime, now: datetime) -> None:
    """Refuse years that were mistyped: the nights of a round are reserved and counted one by one from its opening."""
    for moment in moments:
        if not now - FARTHEST < moment < now + FARTHEST:
            raise ImpossibleRound(f"{moment.isoformat()} is more than {FARTHEST.days} days away: is the year right?")


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
    # Whoever rolls the horizon, publishes a facility or opens another round waits, or is waited for: the ledger first.
    lock_ledger(connection, list_groups(connection, there.facilities))
    lock_exclusively(connection, there.facilities)
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


def delay_round(
    connection: Connection, round_id: int, *, until: datetime, reason: str, account_id: int | None, now: datetime
) -> Row[Any]:
    """
    Give a round that cannot be published in time another day, once more or for the first time; its applicants are told.

    What was said before stays in the round's public history, with the reason.

    Raises
    ------
    RoundNotFound, RoundConflict
        It is a draft, published or called off.
    ImpossibleRound
        `until` is not later than the day that was told, has passed, or leaves nothing of the term.
    """
    queries.lock_round(connection, round_id)
    there = queries.get_round(connection, round_id)
    _require_near(until, now=now)
    if until <= max(there.publishes_at, now):
        raise ImpossibleRound(f"publishes_at must lie ahead, and after {there.publishes_at.isoformat()}")
    if until.astimezone(ZoneInfo(there.timezone)).date() >= there.last:
        raise ImpossibleRound(f"nothing is left of the term then, which ends on {there.last}: call the round off")
    if not queries.delay_round(connection, round_id, until=until, reason=reason, account_id=account_id, now=now):
        raise RoundConflict(f"the round is {there.state}: only one that is open and not published can be late")
    said = {"reason": reason, "expected": there.publishes_at.isoformat(), "next_date": until.isoformat()}
    _tell_applicants(connection, round_id, said, kind="round_late", now=now)
    return queries.get_round(connection, round_id)


def list_late_rounds(connection: Connection, *, now: datetime) -> list[int]:
    """List the rounds that nobody published in time, whether their applicants were told or not."""
    return queries.list_late(connection, grace=GRACE, now=now)


def tell_of_late_round(connection: Connection, round_id: int, *, now: datetime) -> dict[str, int]:
    """
    Tell the applicants of a round that nobody published in time, once after a `GRACE` and again every `TOLD_AGAIN`.

    A round of whose term nothing is left is called off.
    """
    queries.lock_round(connection, round_id)  # before its row, as everybody does
    there = queries.find_late(connection, round_id, grace=GRACE, every=TOLD_AGAIN, now=now)
    if there is None:
        return {"late": 0, "called_off": 0}
    if now.astimezone(ZoneInfo(there.timezone)).date() >= there.last:
        if there.state == "allocating":  # it comes back from that, whatever becomes
            return {"late": 0, "called_off": 0}
        cancel_round(connection, round_id, reason="term_over", now=now)
        return {"late": 0, "called_off": 1}
    once = f"round {round_id} {there.due.isoformat()}"
    said = {
        "round": round_id,
        "reason": "not_published",
        "expected": there.publishes_at.isoformat(),
        "next_date": (there.due + TOLD_AGAIN).isoformat(),
    }
    waiting = queries.list_not_told(connection, round_id, once=once)
    told = [NewNotice(row.household_id, "round_late", {**said, "application": row.id}, once=once) for row in waiting]
    return {"late": tell(connection, told, now=now), "called_off": 0}


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
    SealBroken
        The secret was sealed with another key: without it there is no draw.
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
    # The round's row comes before the ledger, as for whoever publishes, and what others may wait for after it.
    if there.state != "draft":
        lock_ledger(connection, list_groups(connection, there.facilities))
    queries.free_facilities(connection, round_id)
    if there.state != "draft":
        queries.release_ledger(connection, list(there.facilities), first=there.first, last=there.last)
        closes = queries.find_next_closing(connection, round_id, now=now)
        said = {"reason": reason, "next_date": (closes or there.last).isoformat()}
        _tell_applicants(connection, round_id, said, kind="application_refused", now=now)
    return queries.get_round(connection, round_id)


def _tell_applicants(
    connection: Connection, round_id: int, said: Mapping[str, str], *, kind: str, now: datetime
) -> None:
    """Tell everybody whose application stands."""
    told = [
        NewNotice(row.household_id, kind, {"round": round_id, **said, "application": row.id})
        for row in queries.applicants(connection, round_id)
    ]
    tell(connection, told, now=now)


def secret_of(keys: Keys, there: Row[Any]) -> bytes | None:
    """
    Return the secret of a round once the seed is fixed, so that everybody can draw again; None before.

    What a published round's report shows needs no key any more.

    Raises
    ------
    SealBroken
        The secret was sealed with another key.
    """
    if there.seed is None:
        return None
    return unseal_secret(keys, there.secret_sealed) if there.secret_shown is None else bytes.fromhex(there.secret_shown)
