"""Offers and the waitlist between transactions that run at the same moment, committed as the service's own role."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, Engine, text

from api.accounts.opening import open_as
from api.accounts.principal import Principal
from api.jobs.queries import work
from api.offers import jobs
from api.offers import queries as offer_queries
from api.offers.errors import OfferDecided, OfferExpired, OfferNotFound
from api.offers.service import accept_offer, decline_offer, lapse_offers, make_offers, note_delivered
from api.openings import placing
from api.openings.permit_nights import Permit, PlacedNight
from api.openings.permit_queries import insert_nights
from api.openings.service import materialise
from api.permits.ledger import LedgerFull
from api.permits.service import end_permit, give_back_nights, give_up, take_back_nights
from api.waitlist.service import follow, join_waitlist
from tests.api.round_town import DAY, HOUR, NOW, RoundTown, make_round_town, small_garage

_ROUNDS = 6
"""Times that each race is run: both orders come up."""


@pytest.fixture
def kept(engine: Engine) -> Iterator[Engine]:
    """Give a database in which transactions are committed, and empty it afterwards."""
    yield engine
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE neighbourhoods, accounts, owners CASCADE"))


def together(*acts: Callable[[], object]) -> list[object]:
    """Do things at once; return what came of each, or its error."""

    def outcome(act: Callable[[], object]) -> object:
        try:
            return act()
        except (OfferDecided, OfferExpired, LedgerFull) as error:
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(outcome, acts))


def as_household(engine: Engine, who: dict[str, int], act: Callable[[Connection], object]) -> Callable[[], object]:
    """Return what does something in a transaction of a household's own."""
    nothing: frozenset[str] = frozenset()

    def do() -> object:
        with engine.begin() as connection:
            open_as(connection, Principal(None, who["household"], nothing, frozenset(), "bearer_token"))
            return act(connection)

    return do


def as_worker(engine: Engine, act: Callable[[Connection], object]) -> Callable[[], object]:
    """Return what does something in a transaction of the worker's."""

    def do() -> object:
        with work(engine) as connection:
            return act(connection)

    return do


def accepting(offer: int, who: dict[str, int]) -> Callable[[Connection], object]:
    at = NOW + 72 * HOUR - timedelta(seconds=1)
    return lambda c: accept_offer(c, offer, household_id=who["household"], account_id=None, now=at).state


def declining(offer: int, who: dict[str, int]) -> Callable[[Connection], object]:
    return lambda c: decline_offer(c, offer, household_id=who["household"], account_id=None, now=NOW).state


def offer_to(engine: Engine, code: str = "a") -> tuple[dict[str, int], int]:
    """Make the town with an offer that was delivered, committed."""
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE neighbourhoods, accounts, owners CASCADE"))
        town = make_round_town(connection)
        who = town.apply()
        (offer,) = make_offers(connection, [town.wanted(who, code)], source="plan", now=NOW)
        note_delivered(connection, [offer], now=NOW)
    return who, offer


def offers_and_nights(engine: Engine) -> tuple[list[str], set[int]]:
    """Return the states of all offers, and what is taken of nights."""
    with engine.connect() as connection:
        states = list(connection.scalars(text("SELECT state FROM offers ORDER BY id")))
        taken = set(connection.scalars(text("SELECT taken FROM ledger_nights l JOIN permits p USING (bay_group_id)")))
    return states, taken


def test_two_who_accept_at_once_get_the_same_answer(kept: Engine) -> None:
    who, offer = offer_to(kept)
    accept = as_household(kept, who, accepting(offer, who))
    assert together(accept, accept, accept) == ["accepted"] * 3
    with kept.connect() as connection:
        told = connection.scalar(text("SELECT count(*) FROM notices WHERE kind = 'offer_accepted'"))
    assert told == 1
    assert offers_and_nights(kept) == (["accepted"], {1})


def test_accepting_and_declining_at_once_one_is_done_and_the_other_told(kept: Engine) -> None:
    for _ in range(_ROUNDS):
        who, offer = offer_to(kept)
        outcomes = together(
            as_household(kept, who, accepting(offer, who)), as_household(kept, who, declining(offer, who))
        )
        assert sum(isinstance(outcome, OfferDecided) for outcome in outcomes) == 1
        states, taken = offers_and_nights(kept)
        assert (states, taken) in [(["accepted"], {1}), (["declined"], {0})]


def test_an_offer_accepted_while_it_lapses_is_one_or_the_other(kept: Engine) -> None:
    for _ in range(_ROUNDS):
        who, offer = offer_to(kept)
        accepted, lapsed = together(
            as_household(kept, who, accepting(offer, who)),
            as_worker(kept, lambda c: lapse_offers(c, now=NOW + 72 * HOUR)),
        )
        states, taken = offers_and_nights(kept)
        if lapsed == 1:
            assert isinstance(accepted, OfferExpired)
            assert (states, taken) == (["lapsed"], {0})
        else:
            assert (accepted, states, taken) == ("accepted", ["accepted"], {1})


def test_two_follows_at_once_never_offer_one_bay_twice(kept: Engine) -> None:
    with kept.begin() as connection:
        town = make_round_town(connection, small_garage("a", 2), small_garage("b", 2))
        people = [town.apply() for _ in range(8)]
        join_waitlist(connection, [town.entry(who, ["a", "b"]) for who in people], now=NOW)
        groups = list(town.groups.values())
    together(
        *[as_worker(kept, partial(follow, bay_group_ids=[g], now=NOW)) for g in (*groups, *reversed(groups), *groups)]
    )
    states, taken = offers_and_nights(kept)
    assert (len(states), taken) == (4, {2})
    with kept.connect() as connection:
        waiting = connection.execute(
            text("SELECT household_id FROM waitlist_entries WHERE state = 'waiting' ORDER BY draw")
        ).scalars()
        assert list(waiting) == [who["household"] for who in people[4:]]  # the first four by draw were reached


def test_many_who_decline_at_once_let_as_many_follow_without_a_deadlock(kept: Engine) -> None:
    with kept.begin() as connection:
        town = make_round_town(connection, small_garage("a", 4), small_garage("b", 4))
        holders = [(town.apply(), "ab"[k % 2]) for k in range(8)]
        waiting = [town.apply() for _ in range(6)]
        offers = [make_offers(connection, [town.wanted(who, c)], source="plan", now=NOW)[0] for who, c in holders]
        note_delivered(connection, offers, now=NOW)
        join_waitlist(connection, [town.entry(who, ["a", "b"]) for who in waiting], now=NOW)
    outcomes = together(
        *[as_household(kept, who, declining(offer, who)) for (who, _), offer in zip(holders, offers, strict=True)]
    )
    assert outcomes == ["declined"] * 8
    with kept.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM offers WHERE state = 'pending'")) == 6
        assert connection.scalar(text("SELECT count(*) FROM waitlist_entries WHERE state = 'offered'")) == 6
    assert jobs.lapse_offers(kept, now=NOW + 10 * DAY)["lapsed"] == 0  # nobody has delivered them yet
    assert jobs.lapse_offers(kept, now=NOW + 20 * DAY)["lapsed"] == 6


def test_the_last_bay_of_a_night_is_offered_to_one_of_two(kept: Engine) -> None:
    with kept.begin() as connection:
        town = make_round_town(connection)
        wanted = [town.wanted(town.apply()) for _ in range(2)]
    outcomes = together(
        *[as_worker(kept, partial(make_offers, wanted=[w], source="re_accommodation", now=NOW)) for w in wanted]
    )
    assert sorted(isinstance(outcome, LedgerFull) for outcome in outcomes) == [False, True]
    assert offers_and_nights(kept) == (["pending"], {1})


def wait_for_a_lock(engine: Engine) -> None:
    """Return when somebody waits for a lock that another holds."""
    until = time.monotonic() + 10
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while time.monotonic() < until:
        with engine.connect() as connection:
            if connection.scalar(query):
                return
        time.sleep(0.01)
    raise TimeoutError("nobody waits")


def test_an_offer_accepted_while_its_permit_is_ended_is_accepted_and_then_ended(
    kept: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, offer = offer_to(kept)
    ended: list[Future[object]] = []
    activate = offer_queries.activate
    with ThreadPoolExecutor(1) as pool:

        def meanwhile(connection: Connection, permit_id: int) -> None:
            ended.append(pool.submit(as_worker(kept, lambda c: end_permit(c, permit_id, reason="strikes", now=NOW))))
            wait_for_a_lock(kept)
            activate(connection, permit_id)

        monkeypatch.setattr(offer_queries, "activate", meanwhile)
        assert as_household(kept, who, accepting(offer, who))() == "accepted"
        ended[0].result(timeout=20)
    with kept.connect() as connection:
        permit = connection.execute(text("SELECT state, end_reason FROM permits")).one()
    assert (*permit,) == ("ended", "strikes")
    assert offers_and_nights(kept)[0] == ["accepted"]


MORNING = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
"""Ten in the morning of the first day of the term."""


@pytest.mark.parametrize("change", ["ended", "given back"])
def test_nights_of_a_permit_that_changes_while_they_are_placed_are_nobodys(
    kept: Engine, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    who, offer = offer_to(kept)
    as_household(kept, who, accepting(offer, who))()

    def meanwhile(
        connection: Connection, placed: Sequence[PlacedNight], permits: Mapping[int, Permit]
    ) -> set[tuple[int, date]]:
        monkeypatch.setattr(placing, "insert_nights", insert_nights)
        somebody_changes()
        return insert_nights(connection, placed, permits)

    def ends(connection: Connection) -> None:
        end_permit(connection, connection.scalar(text("SELECT id FROM permits")), reason="strikes", now=MORNING)

    def gives_back(connection: Connection) -> None:
        permit, first = connection.scalar(text("SELECT id FROM permits")), MORNING.date() + DAY
        give_back_nights(
            connection, permit, household_id=who["household"], first=first, last=first + 20 * DAY, now=MORNING
        )

    somebody_changes = as_worker(kept, ends) if change == "ended" else as_household(kept, who, gives_back)
    monkeypatch.setattr(placing, "insert_nights", meanwhile)
    with work(kept) as connection:
        materialise(connection, facility_ids=list(connection.scalars(text("SELECT id FROM facilities"))), now=MORNING)
    with kept.connect() as connection:
        later = connection.scalar(text("SELECT count(*) FROM stays WHERE state = 'confirmed' AND night > '2026-12-01'"))
    assert later == 0


def test_a_household_takes_nights_back_with_no_rights_but_its_own(kept: Engine) -> None:
    who, offer = offer_to(kept)
    as_household(kept, who, accepting(offer, who))()
    with work(kept) as connection:
        permit = connection.scalar(text("SELECT id FROM permits"))
    first = MORNING.date()
    of_mine = {"permit_id": permit, "household_id": who["household"], "first": first, "now": MORNING}
    as_household(kept, who, lambda c: give_back_nights(c, last=first + 3 * DAY, **of_mine))()
    taken = as_household(kept, who, lambda c: take_back_nights(c, **{**of_mine, "now": MORNING + 11 * HOUR}))()
    assert taken[1] == [first]  # type: ignore[index]
    with kept.connect() as connection:
        assert connection.scalar(text("SELECT nights = '[2026-12-01,2026-12-02)' FROM permit_absences"))


# ------------------------------------------------------------------------------------------- what others see: nothing


def test_a_household_acts_on_its_own_and_sees_nothing_of_others(kept: Engine) -> None:
    who, offer = offer_to(kept)
    with kept.begin() as connection:
        town = RoundTown(connection)
        town.home = town.count("SELECT id FROM homes")
        town.round = town.count("SELECT id FROM rounds")
        town.groups["a"] = town.count("SELECT min(id) FROM bay_groups")
        stranger = town.apply()
        join_waitlist(connection, [town.entry(who)], now=NOW)
    tables = ("offers", "permits", "waitlist_entries", "waitlist_options", "date_estimates", "waitlist_passes")

    def seen(connection: Connection) -> dict[str, int]:
        return {table: connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in tables}

    mine = as_household(kept, who, seen)()
    theirs = as_household(kept, stranger, seen)()
    assert mine == dict.fromkeys(tables, 1) | {"date_estimates": 0, "waitlist_passes": 0}
    assert theirs == dict.fromkeys(tables, 0)
    with pytest.raises(OfferNotFound):
        as_household(kept, stranger, accepting(offer, stranger))()
    assert as_household(kept, who, accepting(offer, who))() == "accepted"
    given_up = as_household(
        kept,
        who,
        lambda c: give_up(c, c.scalar(text("SELECT id FROM permits")), household_id=who["household"], now=NOW),
    )
    assert given_up().end_reason == "given_up"  # type: ignore[attr-defined]
    assert as_household(kept, who, lambda c: c.scalar(text("SELECT current_setting('baytide.roles', true)")))() == ""


def test_who_declines_lets_the_next_have_bays_though_it_may_see_nothing_of_them(kept: Engine) -> None:
    with kept.begin() as connection:
        town = make_round_town(connection)
        who, waiting = town.apply(), town.apply()
        (offer,) = make_offers(connection, [town.wanted(who)], source="plan", now=NOW)
        note_delivered(connection, [offer], now=NOW)
        join_waitlist(connection, [town.entry(waiting)], now=NOW)
        materialise(connection, neighbourhood_id=town.neighbourhood, now=NOW)
    assert as_household(kept, who, declining(offer, who))() == "declined"
    with kept.connect() as connection:
        nights = connection.execute(
            text("SELECT household_id, count(*) AS nights FROM stays WHERE state = 'confirmed' GROUP BY 1")
        ).all()
    assert [(row.household_id, row.nights) for row in nights] == [(waiting["household"], 8)]  # 1 to 8 December


def test_a_household_cannot_change_an_offer_or_a_permit_by_itself(kept: Engine) -> None:
    who, _ = offer_to(kept)
    for statement in (
        "UPDATE offers SET state = 'accepted', decided_at = made_at",
        "UPDATE permits SET state = 'active'",
        "UPDATE waitlist_entries SET state = 'offered'",
    ):
        assert as_household(kept, who, partial(num_changed, statement))() == 0


def num_changed(statement: str, connection: Connection) -> int:
    return connection.execute(text(statement)).rowcount
