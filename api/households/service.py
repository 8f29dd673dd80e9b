"""Founding and moving households, and visiting those that want help."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from api.accounts.attempts import count_attempt, tried
from api.accounts.identities import log_in_name
from api.accounts.keys import Keys
from api.accounts.opening import act_as, open_for
from api.accounts.principal import Principal
from api.accounts.queries import add_act, find_account
from api.accounts.refusals import NotAllowed
from api.accounts.secrets import hash_secret, new_secret
from api.households import queries
from api.households.queries import HomeNotFound, HouseholdNotFound
from api.vehicles.plates import hash_plate, normalise_plate

VISIT_LASTS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Visit:
    """A committee worker may act for a household; the only time the secret is seen."""

    household_id: int
    secret: str = field(repr=False)
    ends: datetime


def settle(connection: Connection, principal: Principal, *, home_id: int) -> Principal:
    """
    Let the principal's household live in a home: found it, or move it.

    Returns
    -------
    Principal
        The same with a household.

    Raises
    ------
    HomeNotFound
        There is no such home, or the worker who acts for the household has no mandate there.
    """
    account_id = principal.account_id or 0
    queries.require_home(connection, home_id)
    if principal.on_behalf and not queries.has_mandate_for(connection, account_id, home_id=home_id):
        raise HomeNotFound("no mandate there")
    if principal.household_id is None:
        queries.lock_account(connection, account_id)
        known = queries.find_household_of(connection, account_id)
        if known is None:
            settled = replace(principal, household_id=_found(connection, principal, home_id=home_id))
            queries.add_member(connection, settled.household_id or 0, account_id=account_id)
            return settled
        principal = replace(principal, household_id=known)
        act_as(connection, principal)
    queries.move_household(connection, principal.household_id or 0, home_id=home_id)
    return principal


def _found(connection: Connection, principal: Principal, *, home_id: int) -> int:
    household_id = queries.reserve_household_id(connection)
    act_as(connection, replace(principal, household_id=household_id))
    queries.add_household(connection, household_id, home_id=home_id)
    return household_id


def visit_by_plate(connection: Connection, keys: Keys, worker: Principal, *, plate: str) -> Visit:
    """
    Find a household of the worker's sub-district by its exact plate.

    Raises
    ------
    PlateUnknown
        No format that is known.
    HouseholdNotFound
        None there; nobody learns whether there is one elsewhere.
    """
    hashed = hash_plate(keys, normalise_plate(plate))
    return _visit(connection, worker, queries.find_household_by_plate(connection, hashed))


def visit_by_name(connection: Connection, worker: Principal, *, name: str) -> Visit:
    """Find a household of the worker's sub-district by the exact log-in name of a member, else HouseholdNotFound."""
    account = find_account(connection, log_in_name(name))
    found = queries.find_household_by_account(connection, account.id) if account is not None else None
    return _visit(connection, worker, found)


def found_on_behalf(connection: Connection, worker: Principal, *, home_id: int) -> Visit:
    """
    Found a household that has no account of its own, and visit it.

    Raises
    ------
    HomeNotFound
        No such home in a sub-district of the worker's.
    """
    if not queries.has_mandate_for(connection, worker.account_id or 0, home_id=home_id):
        raise HomeNotFound("no mandate there")
    return _visit(connection, worker, _found(connection, worker, home_id=home_id))


def count_look_up(engine: Engine, keys: Keys, worker: Principal, *, address: str) -> None:
    """
    Note a look-up in a transaction of its own: it counts although nobody is found.

    Raises
    ------
    TooManyAttempts
        Of this worker's look-ups.
    """
    with engine.begin() as connection:
        open_for(connection, secret=None)
        count_attempt(connection, "look_up", tried(keys.attempts, subject=str(worker.account_id), address=address))


def _visit(connection: Connection, worker: Principal, household_id: int | None) -> Visit:
    if household_id is None:
        raise HouseholdNotFound("none in this sub-district")
    if worker.on_behalf:
        raise NotAllowed("one household at a time")
    secret = new_secret("visit")
    visitor = replace(worker, household_id=household_id, on_behalf=True)
    act_as(connection, visitor)
    ends = queries.add_visit(
        connection,
        household_id,
        account_id=worker.account_id or 0,
        secret_hash=hash_secret(secret),
        lasts=VISIT_LASTS,
    )
    add_act(connection, visitor, act="looked up")
    return Visit(household_id, secret, ends)
