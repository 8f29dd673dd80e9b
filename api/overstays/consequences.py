"""What follows from a strike: carried out when its time has come, paused by an appeal, undone when it is lifted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.gates.allow_list import take_plate_off_list
from api.money.rules import RULES
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.overstays import strike_queries as queries
from api.permits.service import end_permit

_NOON = time(12)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Strike:
    """What of a strike may change; `did` names what was done, so that it can be undone."""

    id: int
    household_id: int
    state: str
    place: int
    act: str
    amount_cents: int | None
    nights: int | None
    effective_at: datetime
    effect: str
    did: dict[str, Any] | None

    def changed(self, **values: Any) -> Strike:  # noqa: ANN401 -- fields
        """Return it with other values."""
        return replace(self, **values)

    def columns(self) -> dict[str, Any]:
        """Return it as the database stores it."""
        return asdict(self)


def strike_of(row: Row[Any]) -> Strike:
    """Read what may change of a strike's row."""
    return Strike(
        id=row.id,
        household_id=row.household_id,
        state=row.state,
        place=row.place,
        act=row.act,
        amount_cents=row.amount_cents,
        nights=row.nights,
        effective_at=row.effective_at,
        effect=row.effect,
        did=row.did,
    )


def carry_out_due(connection: Connection, *, now: datetime, most: int | None = None) -> int:
    """Carry out the consequences whose time has come, `most` of them at once; return how many."""
    done = 0
    with rights_of_worker(connection):
        for due in queries.list_due(connection, now=now)[:most]:
            queries.lock_household(connection, due.household_id)
            row = queries.find_strike(connection, due.id)
            if row is None or row.effect != "waiting" or (row.made_at is not None and row.decision is None):
                continue  # somebody was faster
            queries.change_strike(connection, _carried_out(connection, row, now=now).columns())
            done += 1
    return done


def _carried_out(connection: Connection, row: Row[Any], *, now: datetime) -> Strike:
    strike = strike_of(row)
    if strike.act == "fee":
        _tell_due(connection, row, now=now)
    elif strike.act == "suspension":
        strike = suspend(connection, strike, row, now=now)
    elif strike.act == "end":
        for permit_id in queries.list_live_permits(connection, strike.household_id):
            end_permit(connection, permit_id, reason="strikes", now=now)
        strike = strike if strike.did else keep_plate_off(connection, strike, row, now=now)
    return strike.changed(effect="done")


def _tell_due(connection: Connection, row: Row[Any], *, now: datetime) -> None:
    """Say what the fee is for, and let it be due when any other fee charged today is."""
    zone = ZoneInfo(row.timezone)
    facts = {
        "amount_cents": row.amount_cents,
        "late_exit": row.late_until.astimezone(zone).date().isoformat(),
        "next_date": (now.astimezone(zone).date() + timedelta(days=RULES.due_days)).isoformat(),
    }
    _tell(connection, row, "fee_due", **facts, now=now)


def suspend(connection: Connection, strike: Strike, row: Row[Any], *, now: datetime) -> Strike:
    """Take the plate off every list from tomorrow noon for some nights, and cancel the stays of these nights."""
    start, end = _nights_from_tomorrow(row.timezone, strike.nights or 1, now=now)
    ban = take_plate_off_list(connection, strike.household_id, starts_at=start, ends_at=end, reason="strike")
    stays = queries.cancel_stays(connection, strike.household_id, start=start, end=end, now=now)
    facts = {"from": start.isoformat(), "to": end.isoformat(), "stays": stays}
    _tell(connection, row, "permit_suspended", **facts, next_date=end.isoformat(), now=now)
    return strike.changed(did={"ban": ban, "from": start.isoformat(), "to": end.isoformat()})


def keep_plate_off(connection: Connection, strike: Strike, row: Row[Any], *, now: datetime) -> Strike:
    """
    Take the plate off every list from tomorrow noon on, whether or not the permit has ended yet.

    Only while nobody has appealed: an appeal puts it back onto them until it is decided.
    """
    waits = max(row.appeal_until, now) - now
    start, end = _nights_from_tomorrow(row.timezone, (strike.nights or 1) + waits.days, now=now)
    ban = take_plate_off_list(connection, strike.household_id, starts_at=start, ends_at=end, reason="strike")
    facts = {"from": start.isoformat(), "to": end.isoformat(), "reason": "strikes"}
    _tell(connection, row, "plate_off_list", **facts, next_date=row.appeal_until.isoformat(), now=now)
    return strike.changed(did={"ban": ban, "from": start.isoformat(), "to": end.isoformat()})


def undo(connection: Connection, strike: Strike, *, now: datetime) -> Strike:
    """Let the plate back onto the lists; nights of a permit get their bays back as far as nobody has them by then."""
    if strike.did and "ban" in strike.did:
        queries.end_ban(connection, strike.did["ban"], now=now)
    return strike.changed(did=None)


def pause(connection: Connection, strike: Strike, *, now: datetime) -> Strike:
    """
    Stop a suspension that is under way while an appeal waits; what is left of it waits too.

    A plate whose permit is to end comes back onto the lists, and goes off them again when that ends.
    """
    if strike.act == "end" and strike.effect == "waiting" and strike.did:
        return undo(connection, strike, now=now)
    if strike.act != "suspension" or strike.effect != "done" or not strike.did:
        return strike
    left = datetime.fromisoformat(strike.did["to"]) - max(now, datetime.fromisoformat(strike.did["from"]))
    if left <= timedelta():
        return strike
    nights = max(1, min(strike.nights or 1, -(-left // _DAY)))
    return undo(connection, strike, now=now).changed(effect="waiting", nights=nights, effective_at=now)


def _nights_from_tomorrow(timezone: str, nights: int, *, now: datetime) -> tuple[datetime, datetime]:
    """Return noon of tomorrow, by the facility's clock, and the noon after so many nights."""
    zone = ZoneInfo(timezone)
    first = now.astimezone(zone).date() + _DAY
    return datetime.combine(first, _NOON, zone), datetime.combine(first + nights * _DAY, _NOON, zone)


def _tell(connection: Connection, row: Row[Any], kind: str, *, now: datetime, **facts: Any) -> None:  # noqa: ANN401 -- JSON
    known = {"strike": row.id, "facility": row.facility_id, **facts}
    tell(connection, [NewNotice(household_id=row.household_id, kind=kind, facts=known)], now=now)
