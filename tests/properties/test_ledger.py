"""Whatever households do with offers, permits and the waitlist: no night is ever promised to more than it has bays."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from api.offers.errors import OfferDecided, OfferExpired, OfferImpossible
from api.offers.service import (
    accept_offer,
    decline_offer,
    deliver_late_offers,
    lapse_offers,
    make_offers,
    note_delivered,
)
from api.permits.ledger import LedgerFull, LedgerShort, fill_ledger
from api.permits.service import end_permit, end_terms
from api.waitlist.service import follow, join_waitlist, leave_waitlist
from tests.api.round_town import FIRST, LAST, NOW, RoundTown, make_round_town, small_garage

_PATTERNS: tuple[dict[str, Any], ...] = (
    {},
    {"days": "workdays"},
    {"days": "sat sun"},
    {"days": "fri", "stay_through": True},
    {"stay_through": True},
)
_ACTS = ("apply", "offer", "accept", "decline", "give up", "take back", "leave", "refill", "wait a day", "wait a week")

_PROMISED_TWICE = text(
    """
    SELECT count(*) FROM ledger_nights l
    WHERE l.taken > l.bays OR l.taken <> (
        SELECT count(*) FROM permits p WHERE p.bay_group_id = l.bay_group_id AND p.nights @> l.night)
    """
)
_TWO_AT_ONCE = text(
    """
    SELECT count(*) FROM permits p JOIN permits q ON q.household_id = p.household_id AND p.id < q.id
    WHERE p.state <> 'ended' AND q.state <> 'ended' AND p.term && q.term
    """
)
_STATES_APART = text(
    """
    SELECT count(*) FROM offers o JOIN permits p ON p.id = o.permit_id
    LEFT JOIN waitlist_entries e ON e.application_id = p.application_id
    WHERE (o.state = 'pending') <> (p.state = 'offered')
       OR o.state = 'pending' AND e.state IS NOT NULL AND e.state <> 'offered' AND o.source = 'waitlist'
    """
)


@given(st.lists(st.tuples(st.sampled_from(_ACTS), st.integers(0, 2**16)), min_size=8, max_size=30))
@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # each example is a town of its own: shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_night_is_promised_to_more_than_it_has_bays(engine: Engine, acts: list[tuple[str, int]]) -> None:
    with engine.connect() as connection:
        town = make_round_town(connection, small_garage("a", 2), small_garage("b", 1))
        people: list[dict[str, int]] = [town.apply(**_PATTERNS[k]) for k in range(3)]
        now = NOW
        for act, number in acts:
            now += timedelta(days={"wait a day": 1, "wait a week": 7}.get(act, 0), minutes=1)
            if act == "apply":
                people.append(town.apply(**_PATTERNS[number % len(_PATTERNS)]))
            with connection.begin_nested() as attempt:
                try:
                    _do(town, act, number, people[number % len(people)], now=now)
                except (LedgerFull, LedgerShort, OfferDecided, OfferExpired, OfferImpossible):
                    attempt.rollback()
            assert connection.scalar(_PROMISED_TWICE) == 0, (act, now)
            assert connection.scalar(_TWO_AT_ONCE) == 0, (act, now)
            assert connection.scalar(_STATES_APART) == 0, (act, now)


def _do(town: RoundTown, act: str, number: int, who: dict[str, int], *, now: datetime) -> None:
    """Do one thing, for a household that it may make no sense for."""
    connection, code = town.connection, "ab"[number % 2]
    offer = connection.scalar(text("SELECT max(id) FROM offers WHERE household_id = :h"), {"h": who["household"]})
    waiting = _entry_of(connection, who)
    if act == "apply" and offer is None and not _was_on_the_list(connection, who):
        join_waitlist(connection, [town.entry(who, ["a", "b"], tier=1 + number % 3)], now=now)
    elif act == "offer" and waiting is None:
        first = max(FIRST, (now + timedelta(days=1)).date())
        if first <= LAST:
            pattern = _PATTERNS[number % len(_PATTERNS)]
            (made,) = make_offers(connection, [town.wanted(who, code, first=first, **pattern)], source="plan", now=now)
            note_delivered(connection, [made], now=now)
    elif act in ("accept", "decline") and offer is not None:
        answer = accept_offer if act == "accept" else decline_offer
        answer(connection, offer, household_id=who["household"], account_id=None, now=now)
    elif act in ("give up", "take back"):
        permit = connection.scalar(
            text("SELECT id FROM permits WHERE household_id = :h AND state = 'active'"), {"h": who["household"]}
        )
        if permit is not None:
            end_permit(connection, permit, reason="given_up" if act == "give up" else "withdrawn", now=now)
    elif act == "leave" and waiting is not None:
        leave_waitlist(connection, waiting, household_id=who["household"], now=now)
    elif act == "refill":
        connection.execute(text("UPDATE share_windows SET bays = :bays"), {"bays": 1 + number % 3})
        fill_ledger(connection, list(town.facilities.values()), first=FIRST, last=LAST)
        follow(connection, list(town.groups.values()), now=now)
    elif act.startswith("wait"):
        deliver_late_offers(connection, now=now)
        lapse_offers(connection, now=now)
        end_terms(connection, now=now)


def _was_on_the_list(connection: Connection, who: dict[str, int]) -> bool:
    entries = text("SELECT count(*) FROM waitlist_entries WHERE application_id = :a")
    return bool(connection.scalar(entries, {"a": who["application"]}))


def _entry_of(connection: Connection, who: dict[str, int]) -> int | None:
    entry: int | None = connection.scalar(
        text("SELECT id FROM waitlist_entries WHERE application_id = :a AND state = 'waiting'"),
        {"a": who["application"]},
    )
    return entry


def test_the_property_sees_what_it_is_for(engine: Engine) -> None:
    """The twin: a ledger that says other than the permits is found."""
    with engine.connect() as connection:
        town = make_round_town(connection)
        make_offers(connection, [town.wanted(town.apply())], source="plan", now=NOW)
        assert connection.scalar(_PROMISED_TWICE) == 0
        connection.execute(text("UPDATE ledger_nights SET taken = 0 WHERE night = '2026-12-05' AND taken = 1"))
        assert connection.scalar(_PROMISED_TWICE) == 1
