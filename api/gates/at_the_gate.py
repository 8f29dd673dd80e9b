"""When a gate fails or there is none: a code for the barrier, a warden who asks for a plate, checking in oneself."""

from __future__ import annotations

import hmac
import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row

from api.accounts.keys import Keys
from api.accounts.refusals import TooManyAttempts
from api.errors import ApiError
from api.gates import stay_queries as queries
from api.gates.allow_list import refresh_allow_list
from api.gates.events import SeenEvent, record_events
from api.openings.permit_queries import rights_of_worker
from api.vehicles.plates import hash_plate, normalise_plate, open_plate
from api.vehicles.service import VehicleNotFound

Direction = Literal["entry", "exit"]
SOON = timedelta(minutes=30)
"""So long before a stay begins its household may ask for a code or check in."""
STILL_INSIDE = timedelta(hours=24)
"""So long after a stay a car that is still inside can be let out by a code, or be checked out."""
CODE_LASTS = timedelta(minutes=15)
CODE_DIGITS = 8
MOST_CODES, CODES_WITHIN = 4, timedelta(hours=1)
MOST_WRONG_CODES, WRONG_WITHIN = 10, timedelta(minutes=15)
"""Of 10⁸ codes a device can try forty an hour: with a hundred codes alive it guesses one in three years."""
MOST_PLATES, PLATES_WITHIN = 60, timedelta(minutes=10)
"""A warden walks past a car every ten seconds at best."""


class StayNotFound(ApiError):
    """The household has no such stay."""


class StayNotNow(ApiError):
    """The stay is neither under way nor about to begin, or it was given up."""


class GateNotesIt(ApiError):
    """A gate notes who comes and goes at this place."""


@dataclass(frozen=True, slots=True)
class GateCode:
    """A code for the barrier, shown once."""

    code: str
    expires_at: datetime
    facility_id: int
    name: str


@dataclass(frozen=True, slots=True)
class CodeChecked:
    """Whether a code lets a car through; `until` is when its stay ends, `bay` where it stands."""

    valid: bool
    until: datetime | None = None
    bay: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """When a household said that it came and went."""

    stay_id: int
    checked_in_at: datetime | None
    checked_out_at: datetime | None


def get_own_stay(connection: Connection, stay_id: int, *, household_id: int) -> Row[Any]:
    """Return a stay of a household; raise StayNotFound without one."""
    stay = queries.find_stay(connection, stay_id)
    if stay is None or stay.household_id != household_id:
        raise StayNotFound("no such stay")
    return stay


def make_gate_code(connection: Connection, keys: Keys, stay_id: int, *, household_id: int, now: datetime) -> GateCode:
    """
    Make a code that opens the gate of a stay once each way; the one before it is void.

    Raises
    ------
    StayNotFound, StayNotNow
        The household has no such stay; it is not under way, about to begin, or over less than a day ago.
    TooManyAttempts
        The household asked for several within the hour.
    """
    stay = get_own_stay(connection, stay_id, household_id=household_id)
    if not (may_enter(stay, now=now) or may_leave(stay, now=now)):
        raise StayNotNow("neither under way nor about to begin")
    queries.lock_household(connection, household_id)
    with rights_of_worker(connection):
        made = queries.codes_made(connection, household_id, since=now - CODES_WITHIN)
        _require_few(made, most=MOST_CODES, within=CODES_WITHIN, now=now)
        taken = {bytes(row.code_hash) for row in queries.live_codes(connection, stay.facility_id, now=now)}
        code = _new_code()
        while _hash_code(keys, stay.facility_id, code) in taken:
            code = _new_code()
        hashed = _hash_code(keys, stay.facility_id, code)
        expires_at = queries.replace_code(connection, stay, code_hash=hashed, now=now, lasts=CODE_LASTS)
    return GateCode(code, expires_at, stay.facility_id, stay.name)


def check_gate_code(
    connection: Connection, keys: Keys, device: Row[Any], *, code: str, direction: Direction, now: datetime
) -> CodeChecked:
    """
    Say whether a code lets a car through in one direction; if so it is used up for that, and counts as seen.

    Raises
    ------
    TooManyAttempts
        The device has tried too many wrong ones.
    """
    queries.lock_device(connection, device.id)
    with rights_of_worker(connection):
        wrong = queries.checks_made(connection, device.id, kind="code", since=now - WRONG_WITHIN)
        _require_few(wrong, most=MOST_WRONG_CODES, within=WRONG_WITHIN, now=now)
        shown = _hash_code(keys, device.facility_id, code)
        # Every code alive is compared, so that the time it takes tells nothing.
        alive = queries.live_codes(connection, device.facility_id, now=now)
        same = [row for row in alive if hmac.compare_digest(bytes(row.code_hash), shown)]
        stay = queries.find_stay(connection, same[0].stay_id) if same else None
        valid = stay is not None and _opens(same[0], stay, direction=direction, now=now)
        queries.note_check(connection, device.id, device.facility_id, kind="code", allowed=valid, now=now)
        if stay is None or not valid:
            return CodeChecked(valid=False)
        queries.use_code(connection, same[0].id, direction=direction, now=now)
        plate = _plate_of(connection, keys, stay, direction=direction) or ""
    seen = SeenEvent(f"code {same[0].id} {direction}", direction, now, plate)
    record_events(connection, keys, device.facility_id, [seen], source="code", device_id=device.id, now=now)
    return CodeChecked(valid=True, until=stay.ends_at, bay=f"{stay.bay_group} {stay.number}")


def check_plate(connection: Connection, keys: Keys, device: Row[Any], *, plate: str, now: datetime) -> datetime | None:
    """
    Say until when a plate may stand at a warden's road now, None where it may not.

    Raises
    ------
    PlateUnknown
        No known format.
    TooManyAttempts
        The device asked too often.
    """
    hashed = hash_plate(keys, normalise_plate(plate))
    queries.lock_device(connection, device.id)
    with rights_of_worker(connection):
        made = queries.checks_made(connection, device.id, kind="plate", since=now - PLATES_WITHIN)
        _require_few(made, most=MOST_PLATES, within=PLATES_WITHIN, now=now)
        refresh_allow_list(connection, device.facility_id, now=now)
        until = queries.allowed_until(connection, device.facility_id, hashed, now=now)
        queries.note_check(connection, device.id, device.facility_id, kind="plate", allowed=until is not None, now=now)
    return until


def check_in(
    connection: Connection, keys: Keys, stay_id: int, *, household_id: int, direction: Direction, now: datetime
) -> CheckedIn:
    """
    Note that a household's car has come or gone, where no gate does; the first word stands.

    Raises
    ------
    StayNotFound, StayNotNow
        The household has no such stay; it is not the time for it.
    GateNotesIt
        There is a gate.
    VehicleNotFound
        The household has no car.
    """
    stay = get_own_stay(connection, stay_id, household_id=household_id)
    names = {way: f"stay {stay_id} {way}" for way in ("entry", "exit")}
    with rights_of_worker(connection):
        if queries.has_gate(connection, stay.facility_id):
            raise GateNotesIt("a gate notes who comes and goes")
        refresh_allow_list(connection, stay.facility_id, now=now)  # one event of this facility after the other
        known = queries.checked_in(connection, stay.facility_id, list(names.values()))
        if direction not in known:
            if not (may_enter(stay, now=now) if direction == "entry" else may_leave(stay, now=now)):
                raise StayNotNow("not the time for it")
            plate = _plate_of(connection, keys, stay, direction=direction)
            if plate is None:
                raise VehicleNotFound("no car")
            seen = SeenEvent(names[direction], direction, now, plate)
            record_events(connection, keys, stay.facility_id, [seen], source="self", now=now)
            known[direction] = now
    return CheckedIn(stay_id, known.get("entry"), known.get("exit"))


def may_enter(stay: Row[Any], *, now: datetime) -> bool:
    """Tell whether a stay is under way or about to begin."""
    return bool(stay.state == "confirmed" and stay.starts_at - SOON <= now < stay.ends_at)


def may_leave(stay: Row[Any], *, now: datetime) -> bool:
    """Tell whether a car may be inside for a stay: under way, or over less than a day ago."""
    begun = stay.starts_at - SOON <= now < stay.ends_at + STILL_INSIDE
    return bool(begun and (stay.state == "confirmed" or (stay.ended_at is not None and stay.ended_at > stay.starts_at)))


def _opens(code: Row[Any], stay: Row[Any], *, direction: Direction, now: datetime) -> bool:
    if direction == "entry":
        return code.entry_used_at is None and may_enter(stay, now=now)
    return code.exit_used_at is None and may_leave(stay, now=now)


def _plate_of(connection: Connection, keys: Keys, stay: Row[Any], *, direction: Direction) -> str | None:
    """Return the plate of the car that leaves: the one that came in; of one that comes: the household's now."""
    inside = queries.plate_inside(connection, stay.id) if direction == "exit" else None
    if inside is not None:
        return open_plate(keys, inside)
    car = queries.find_car(connection, stay.household_id)
    return None if car is None else open_plate(keys, bytes(car.plate_sealed))


def _new_code() -> str:
    return str(secrets.randbelow(10**CODE_DIGITS)).zfill(CODE_DIGITS)


def _hash_code(keys: Keys, facility_id: int, code: str) -> bytes:
    return hmac.digest(keys.gate_codes, f"{facility_id}\0{code}".encode("utf-8", "surrogatepass"), "sha256")


def _require_few(made: list[datetime], *, most: int, within: timedelta, now: datetime) -> None:
    if len(made) >= most:
        raise TooManyAttempts(max(1, math.ceil((made[most - 1] + within - now).total_seconds())))
