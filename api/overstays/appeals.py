"""Appeals: a household says why, within some days; a planner decides, with a note."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row

from api.accounts.refusals import OwnHousehold
from api.errors import ApiError, TellsWhy
from api.gates.events import mark_disputed
from api.households.queries import find_household_of
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.overstays import strike_queries as queries
from api.overstays.consequences import pause, strike_of
from api.overstays.striking import rests_on, weigh

Decision = Literal["upheld", "lifted"]


class StrikeNotFound(ApiError):
    """No strike of this id, or none of this household."""


class AppealImpossible(TellsWhy):
    """Too late, made before, or decided already; the message says which."""


def appeal(
    connection: Connection, strike_id: int, *, household_id: int, account_id: int, words: str, now: datetime
) -> Row[Any]:
    """
    Appeal against a strike: from now on its consequence waits, and the movements of that night are kept.

    So does the end of a permit that a later strike led to: the plate is back on the lists until all is decided.

    Raises
    ------
    StrikeNotFound
        When the household has no such strike.
    AppealImpossible
        When it is too late, or was done before.
    """
    queries.lock_household(connection, household_id)
    strike = _get(connection, strike_id, household_id=household_id)
    if strike.state != "standing" or now >= strike.appeal_until:
        raise AppealImpossible(f"an appeal was possible until {strike.appeal_until.isoformat(timespec='minutes')}")
    if not queries.add_appeal(connection, strike_id, words=words, account_id=account_id, now=now):
        raise AppealImpossible("there is an appeal against this strike already")
    mark_disputed(connection, strike.stay_id, disputed=True)
    with rights_of_worker(connection):
        for row in queries.list_of_household(connection, household_id):
            # What the end of a permit rests on may fall with this strike: that waits as well.
            if row.id == strike_id or (row.act == "end" and rests_on(row, strike)):
                before = strike_of(row)
                after = pause(connection, before, now=now)
                if after != before:
                    queries.change_strike(connection, after.columns())
    return _get(connection, strike_id, household_id=household_id)


def decide(
    connection: Connection, strike_id: int, *, decision: Decision, note: str, account_id: int | None, now: datetime
) -> Row[Any]:
    """
    Uphold a strike, whose consequence then follows, or lift it: what was done is undone, and later strikes weigh less.

    Raises
    ------
    StrikeNotFound
        When there is none.
    AppealImpossible
        When no appeal waits for a decision.
    OwnHousehold
        The strike is of the household of who decides.
    """
    strike = _get(connection, strike_id)
    if account_id is not None and find_household_of(connection, account_id) == strike.household_id:
        raise OwnHousehold("somebody else must decide on the appeal of one's own household")
    queries.lock_household(connection, strike.household_id)
    if not queries.decide_appeal(connection, strike_id, decision=decision, note=note, account_id=account_id, now=now):
        raise AppealImpossible("no appeal against this strike waits for a decision")
    mark_disputed(connection, strike.stay_id, disputed=False)
    with rights_of_worker(connection):
        _settle(connection, strike_id, decision=decision, now=now)
        decided = _get(connection, strike_id)
        tell(connection, [_told(decided, now=now)], now=now)
    return _get(connection, strike_id)


def _settle(connection: Connection, strike_id: int, *, decision: Decision, now: datetime) -> None:
    before = strike_of(_get(connection, strike_id))
    if decision == "upheld":
        if before.effect == "waiting":
            later = max(before.effective_at, now)
            queries.change_strike(connection, before.changed(effective_at=later).columns())
        return
    effect = "undone" if before.effect == "done" else before.effect
    queries.change_strike(connection, before.changed(state="lifted", effect=effect).columns())
    weigh(connection, before.household_id, now=now)


def _get(connection: Connection, strike_id: int, *, household_id: int | None = None) -> Row[Any]:
    strike = queries.find_strike(connection, strike_id)
    if strike is None or household_id not in (None, strike.household_id):
        raise StrikeNotFound("no such strike")
    return strike


def _told(strike: Row[Any], *, now: datetime) -> NewNotice:
    waits = strike.effect == "waiting" and strike.state == "standing"
    facts = {
        "strike": strike.id,
        "facility": strike.facility_id,
        "decision": strike.decision,
        "reason": strike.note,
        "next_date": (strike.effective_at if waits else now).isoformat(),
    }
    return NewNotice(household_id=strike.household_id, kind="appeal_decided", facts=facts, once=f"strike {strike.id}")
