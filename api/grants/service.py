"""Granting roles, by planners and by the command line; entering owners."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row

from api.accounts.identities import LOCAL_ISSUER, log_in_name
from api.accounts.opening import open_as
from api.accounts.principal import COMMITTEE_WORKER, OWNER, PLANNER, Principal
from api.accounts.queries import find_account
from api.errors import ApiError
from api.grants import queries

LONGEST_MANDATE = timedelta(days=366)
MOST_UNVERIFIED_OWNERS = 3
_COMMAND_LINE = Principal(None, None, frozenset({PLANNER}), frozenset(), "anonymous")


class AccountNotFound(ApiError):
    """No account of this identity; register it first."""


class MandateTooLong(ApiError):
    """A mandate ends in the future, and within a year."""


class TooManyOwners(ApiError):
    """The account entered owners enough that wait for verification."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be granted to whom."""

    log_in_name: str
    role: Literal["planner", "owner", "committee_worker"]
    issuer: str = LOCAL_ISSUER
    owner: int | None = None
    neighbourhood: str | None = None
    sub_district: str | None = None
    expires_at: datetime | None = None


def grant(connection: Connection, wanted: Wanted, *, granted_by: int | None) -> int:
    """
    Grant a role; the connection acts as a planner.

    Raises
    ------
    AccountNotFound, OwnerNotFound, SubDistrictNotFound
        There is none.
    MandateTooLong
        It ends in the past, or a committee worker's ends never or after more than a year.
    """
    now = datetime.now(UTC)
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise MandateTooLong("ends in the past")
    neighbourhood_id = None
    if wanted.role == OWNER:
        queries.require_owner(connection, wanted.owner or 0)
    if wanted.role == COMMITTEE_WORKER:
        if wanted.expires_at is None or wanted.expires_at > now + LONGEST_MANDATE:
            raise MandateTooLong("a mandate ends within a year")
        neighbourhood_id = queries.find_sub_district(connection, wanted.neighbourhood or "", wanted.sub_district or "")
        if neighbourhood_id is None:
            raise queries.SubDistrictNotFound("no such sub-district")
    name = log_in_name(wanted.log_in_name) if wanted.issuer == LOCAL_ISSUER else wanted.log_in_name
    account = find_account(connection, name, issuer=wanted.issuer)
    if account is None:
        raise AccountNotFound("there is no account of this log-in name: register it first.")
    return queries.add_grant(
        connection,
        account.id,
        role=wanted.role,
        granted_by=granted_by,
        owner_id=wanted.owner,
        neighbourhood_id=neighbourhood_id,
        sub_district=wanted.sub_district,
        expires_at=wanted.expires_at,
    )


def grant_planner(engine: Engine, subject: str, *, issuer: str = LOCAL_ISSUER) -> int:
    """Make an account a planner from the command line, whose user has the database anyway; raise AccountNotFound."""
    with engine.begin() as connection:
        open_as(connection, _COMMAND_LINE)
        return grant(connection, Wanted(log_in_name=subject, role="planner", issuer=issuer), granted_by=None)


def enter_owner(connection: Connection, principal: Principal, *, name: str) -> Row[Any]:
    """
    Enter an owner that the principal speaks for; a planner verifies it before it publishes anything.

    Raises
    ------
    TooManyOwners
        Others of this account wait already.
    """
    account_id = principal.account_id or 0
    if queries.count_unverified_owners(connection, account_id) >= MOST_UNVERIFIED_OWNERS:
        raise TooManyOwners("wait for verification")
    owner = queries.add_owner(connection, name, created_by=account_id)
    queries.add_grant(connection, account_id, role=OWNER, granted_by=account_id, owner_id=owner.id)
    return owner
