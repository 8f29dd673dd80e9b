"""
Publishing a plan: offers for those served, the waitlist for the others, and the public report, in one transaction.

Whatever is wrong with the plan, or with anybody's offer, leaves the round as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.neighbourhoods.model import Policy
from api.notices.service import NewNotice, tell
from api.offers.errors import OfferImpossible
from api.offers.service import WantedOffer, have_nights, make_offers
from api.openings.permit_queries import rights_of_worker
from api.openings.queries import lock_exclusively
from api.permits.cars import wait_for_new_cars
from api.permits.ledger import LedgerFull, LedgerShort, fill_ledger, lock_ledger
from api.permits.ledger_queries import list_groups
from api.permits.nights import stands_at_night
from api.rounds import allocation_queries as queries
from api.rounds.allocation_errors import PlanUnpublishable
from api.rounds.draw import commitment_of, seed_of
from api.rounds.errors import RoundConflict
from api.rounds.folder import fingerprint_now, require_facilities
from api.rounds.folder_queries import get_settings
from api.rounds.outcomes import leaves_of, options_of
from api.rounds.public_report import report_of
from api.rounds.queries import find_sold_into
from api.rounds.receipts import demand_of, draw_of, root_of, tree_of
from api.waitlist.fitting import fits_under
from api.waitlist.jobs import ask_for_dates
from api.waitlist.moving import wait_near_new_homes
from api.waitlist.queries import list_waiting_of
from api.waitlist.service import NewEntry, follow, join_waitlist
from api.waitlist.widening import widen

HELPED = ("full", "no_value")
"""Options that a freed bay would help: all others fail for what the household asks for, or by a reviewer's word."""
KEPT_BACK = MOVED_TOO_FAR, OTHER_CAR, HAS_PERMIT = "moved_too_far", "other_car", "has_permit"
"""
Why a household is not offered the place that a plan has for it: its new home is too far, its car does not fit, or it
has a permit, or an offer of one, for all nights of the term that it asks for.
"""
MOST_NAMED = 20
"""Applications that stand in the way of a plan, named at once."""


@dataclass(frozen=True, slots=True)
class Published:
    """How many households were offered a bay, wait, and were refused for good."""

    plan_id: int
    offers: int
    waiting: int
    refused: int


def publish_plan(
    connection: Connection, round_id: int, plan_id: int, *, secret: bytes | None, now: datetime
) -> Published:
    """
    Publish a plan of a round.

    Parameters
    ----------
    secret
        What the seed was made from together with the public number; shown to everybody from then on.

    Raises
    ------
    RoundNotFound, PlanNotFound
        There is no such round, or no such plan of it.
    RoundConflict
        The round is not under review, its date has not come, its term is over or its facilities are all withdrawn, or
        somebody else publishes it at this moment.
    PlanUnpublishable
        The plan is unchecked, stale, not what was stored, or of another seed than was committed to.
    """
    row = queries.lock_round(connection, round_id)
    _require_under_review(row)
    _require_date_come(row, now=now)
    require_facilities(connection, round_id)
    plan = queries.get_plan(connection, plan_id, of=round_id)
    shown = _require_committed_seed(row, secret)
    outcomes = queries.load_outcomes(connection, plan_id)
    root = _require_publishable(connection, round_id, plan, outcomes)
    first = _first_evening(connection, row, now=now)
    with rights_of_worker(connection):  # planners do not see who lives where
        changed = {c.application_id: c for c in queries.list_changed(connection, plan_id, limit_m=Policy().max_walk_m)}
        begins = queries.list_begins_after_permits(connection, plan_id, first=first, last=row.last)
    kept_back = {key: reason for key, change in changed.items() if (reason := _reason_against(change)) is not None}
    kept_back |= {key: HAS_PERMIT for key, begin in begins.items() if begin > row.last}
    served = [o for o in outcomes if o.bay_group_id is not None and o.application_id not in kept_back]
    wanted = [_offer(o, row, changed.get(o.application_id), first=begins.get(o.application_id, first)) for o in served]
    rests = [offer for offer in wanted if offer.application_id in begins]
    empty = {
        o.application_id for o, any_left in zip(rests, have_nights(connection, rests), strict=True) if not any_left
    }
    kept_back |= dict.fromkeys(empty, HAS_PERMIT)
    wanted = [offer for offer in wanted if offer.application_id not in empty]
    _offer_bays(connection, row, wanted, now=now)
    entries = list(_entries(connection, row, outcomes, kept_back))
    join_waitlist(connection, entries, now=now)
    waiting = {entry.application_id for entry in entries}
    refused = [o for o in outcomes if o.bay_group_id is None and o.application_id not in waiting]
    tell(connection, [_refusal(outcome, row) for outcome in refused], now=now)
    report = report_of(
        row,
        plan,
        outcomes,
        waiting=len(entries) - len(kept_back),
        kept_back=len(kept_back),
        root=root,
        secret=shown,
        now=now,
    )
    queries.mark_published(connection, round_id, plan_id=plan_id, report=report, now=now)
    left_over = {outcome.bay_group_id for outcome in outcomes if outcome.application_id in kept_back}
    _follow_changes(connection, round_id, kept_back, entries, left_over, now=now)
    ask_for_dates(connection)
    return Published(plan_id, len(wanted), len(entries), len(refused))


def _require_under_review(row: Row[Any]) -> None:
    if row.published_at is not None:
        raise RoundConflict("the round has been published already")
    if row.state != "in_review":
        raise RoundConflict(f"the round is {row.state}, and not under review")


def _require_date_come(row: Row[Any], *, now: datetime) -> None:
    """Everybody was told the date: whoever is away until then must not lose an offer that came before it."""
    if now < row.publishes_at:
        date_told = row.publishes_at.astimezone(ZoneInfo(row.timezone)).isoformat()
        raise RoundConflict(f"the round is published at {date_told} and not before: its dates are public and kept")
    _require_nights(row, now.astimezone(ZoneInfo(row.timezone)).date() + timedelta(days=1))


def _require_nights(row: Row[Any], first: date) -> None:
    if first > row.last:
        raise RoundConflict("the term is over: nothing is left to be given; call the round off")


def _first_evening(connection: Connection, row: Row[Any], *, now: datetime) -> date:
    """
    Return the first evening that can be given: of the term, or tomorrow's where it has begun.

    Where a day has begun meanwhile and its evening is on sale, it is the one after. Nobody sells more until this
    transaction ends: whoever rolls the horizon waits, and finds the round published.
    """
    zone = ZoneInfo(row.timezone)
    facilities = get_settings(connection, row.id).facility_ids
    lock_ledger(connection, list_groups(connection, facilities))  # first, as whoever opens a round does
    lock_exclusively(connection, facilities)
    first: date = max(row.first, now.astimezone(zone).date() + timedelta(days=1))
    sold = find_sold_into(connection, row.id, begins=datetime.combine(first, time(12), tzinfo=zone))
    if sold is not None:
        first = sold.materialised_until.astimezone(zone).date()
        _require_nights(row, first)
    return first


def _require_committed_seed(row: Row[Any], secret: bytes | None) -> bytes:
    """Refuse a seed that does not follow from what was committed to at opening and drawn after closing."""
    if (
        secret is None
        or commitment_of(secret) != bytes(row.commitment)
        or seed_of(secret, row.public_number) != row.seed
    ):
        raise PlanUnpublishable("the seed does not follow from the secret that was committed to and the public number")
    return secret


def _require_publishable(connection: Connection, round_id: int, plan: Row[Any], outcomes: Sequence[Row[Any]]) -> bytes:
    """Refuse a plan that is not what was checked, or not of the round as it is now; return the root of its receipts."""
    if plan.checked_at is None:
        raise PlanUnpublishable("the plan has not passed its checker")
    tree = queries.load_tree(connection, plan.id)
    with ThreadPoolExecutor(1) as beside:  # the database says what the round is like while we hash what it is to be
        inputs = beside.submit(fingerprint_now, connection, round_id)
        is_whole = (
            tree is not None and all(o.salt is not None for o in outcomes) and tree_of(leaves_of(outcomes)) == tree
        )
    if tree is None or not is_whole:
        raise PlanUnpublishable("the plan's outcomes are not those that were checked")
    if inputs.result() != bytes(plan.inputs):
        raise PlanUnpublishable(
            "the plan is stale: facilities, calendar, applications or decisions have changed; allocate again"
        )
    return root_of(tree)


def _offer_bays(connection: Connection, row: Row[Any], wanted: Sequence[WantedOffer], *, now: datetime) -> None:
    try:
        try:
            make_offers(connection, wanted, source="plan", now=now)
        except (
            LedgerFull
        ):  # owners may have opened more bays since the round opened: the plan knows, the ledger not yet
            _refill_ledger(connection, row)
            make_offers(connection, wanted, source="plan", now=now)
    except LedgerFull as error:
        raise PlanUnpublishable(
            f"somebody has a bay of the plan on {error.night.isoformat()}; allocate again"
        ) from error
    except OfferImpossible as error:
        daytime = [str(o.application_id) for o in wanted if not stands_at_night(o.arrive_min, o.leave_min)]
        if daytime:
            raise PlanUnpublishable(
                f"permits are for nights, and the stays of applications {', '.join(daytime[:MOST_NAMED])} are not; "
                "reject them, and allocate again"
            ) from error
        raise PlanUnpublishable(  # in another neighbourhood, whose ledger is not locked
            "a household of the plan got a permit or an offer elsewhere at this moment; publish again"
        ) from error


def _refill_ledger(connection: Connection, row: Row[Any]) -> None:
    """Let the ledger have the bays of the round's facilities as they are published now."""
    facilities = get_settings(connection, row.id).facility_ids
    with suppress(LedgerShort):  # left as it is, and found too short again
        fill_ledger(connection, facilities, first=row.first, last=row.last)


def _reason_against(change: Row[Any]) -> str | None:
    """Say why a household is not offered the place a plan has for it; None where it is."""
    if change.has_moved and (change.walk_m is None or change.walk_m > change.limit_m):
        return MOVED_TOO_FAR
    missing = set(change.needs.split()) - set(change.former_needs.split()) - set(change.kinds)
    return OTHER_CAR if missing or not fits_under(change.height_m, change.max_height_m) else None


def _follow_changes(
    connection: Connection,
    round_id: int,
    kept_back: Mapping[int, str],
    entries: Sequence[NewEntry],
    left_over: set[int],
    *,
    now: datetime,
) -> None:
    """
    Let those who wait wait for their homes and cars of now, all of them before anybody follows.

    Parameters
    ----------
    kept_back
        Applications that the plan serves and that were offered nothing, with the reason.
    left_over
        Bay groups with bays that the plan gave to households whom they do not suit any more.
    """
    with rights_of_worker(connection):
        groups = left_over | wait_for_new_cars(connection, round_id=round_id, now=now)
        holders = [application for application, reason in kept_back.items() if reason == HAS_PERMIT]
        groups |= widen(connection, application_ids=holders, now=now)  # the plan names nothing else that would do
        moved = list_waiting_of(connection, queries.list_moved(connection, round_id))
        groups |= wait_near_new_homes(connection, moved, told={e.application_id for e in entries}, now=now)
        follow(connection, sorted(groups), now=now)


def _offer(outcome: Row[Any], row: Row[Any], change: Row[Any] | None, *, first: date) -> WantedOffer:
    """Give the offer of an outcome, to the car and with the walk of now."""
    has_other_car = change is not None and change.vehicle_id is not None
    return WantedOffer(
        application_id=outcome.application_id,
        household_id=outcome.household_id,
        vehicle_id=change.vehicle_id if change is not None and has_other_car else outcome.vehicle_id,
        bay_group_id=outcome.bay_group_id,
        first=first,
        last=row.last,
        days=outcome.days,
        arrive_min=outcome.arrive_min,
        leave_min=outcome.leave_min,
        stay_through=outcome.stay_through,
        walk_m=change.walk_m if change is not None and change.has_moved else outcome.walk_m,
        days_left_out=tuple(day for day in outcome.days_left_out or () if day >= first),
    )


def _entries(
    connection: Connection, row: Row[Any], outcomes: Sequence[Row[Any]], kept_back: Mapping[int, str]
) -> Iterator[NewEntry]:
    """Give the places in the waitlist of those without a bay whom a freed one would help, and of those kept back."""
    groups = queries.bay_groups_by_code(connection, row.id)
    for outcome in outcomes:
        options = _options(options_of(outcome), groups)
        if (outcome.bay_group_id is None and options) or outcome.application_id in kept_back:
            yield NewEntry(
                round_id=row.id,
                application_id=outcome.application_id,
                household_id=outcome.household_id,
                tier=outcome.tier,
                rounds_waited=outcome.rounds_waited,
                draw=draw_of(row.seed, demand_of(outcome.household_id)),
                options=options,
                reason=kept_back.get(outcome.application_id),
            )


def _options(
    options: Sequence[Mapping[str, Any]], groups: Mapping[tuple[str, str], int]
) -> tuple[tuple[int, int], ...]:
    return tuple(
        (groups[option["facility"], option["bay_group"]], option["walk_m"])
        for option in options
        if option["why"] in HELPED
    )


def _refusal(outcome: Row[Any], row: Row[Any]) -> NewNotice:
    """Tell a household that no bay of this round can ever suit it, and until when."""
    facts = {
        "application": outcome.application_id,
        "round": row.id,
        "reason": outcome.reason,
        "next_date": row.last.isoformat(),
    }
    return NewNotice(outcome.household_id, "application_refused", facts)
