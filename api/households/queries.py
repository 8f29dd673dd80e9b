"""What the service asks the database about households, and what it writes there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, Row, func, insert, select, text, update

from api.db.account_tables import acts, committee_visits, grants, household_members, households, vehicles
from api.db.tables import homes, neighbourhoods
from api.errors import ApiError

_ASK_PLATE = text("SELECT set_config('baytide.asked_plate', :hashed, true)")

_ASK_ACCOUNT = text("SELECT set_config('baytide.asked_account', :account, true)")
_LOCK = text("SELECT pg_advisory_xact_lock(:what, :account)")
_FOUNDING_LOCK = 0x68686F


class HomeNotFound(ApiError):
    """No home of this id, or none in a sub-district of one's own."""


class HouseholdNotFound(ApiError):
    """No household of this description in a sub-district of one's own."""


def reserve_household_id(connection: Connection) -> int:
    """Take the id of a household to come, so that it can be acted for when it is added."""
    return int(connection.execute(text("SELECT nextval('households_id_seq')")).scalar_one())


def require_home(connection: Connection, home_id: int) -> None:
    """Raise HomeNotFound without a home of this id."""
    if connection.scalar(select(homes.c.id).where(homes.c.id == home_id)) is None:
        raise HomeNotFound("no such home")


def add_household(connection: Connection, household_id: int, *, home_id: int) -> None:
    """Add a household under an id that was reserved for it."""
    connection.execute(insert(households).values(id=household_id, home_id=home_id))


def add_member(connection: Connection, household_id: int, *, account_id: int) -> None:
    """Let an account belong to a household."""
    connection.execute(insert(household_members).values(account_id=account_id, household_id=household_id))


def move_household(connection: Connection, household_id: int, *, home_id: int) -> None:
    """Let a household live elsewhere; everything else stays."""
    connection.execute(update(households).where(households.c.id == household_id).values(home_id=home_id))


def lock_account(connection: Connection, account_id: int) -> None:
    """Let one request of an account at a time found a household."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:what, :account)"), {"what": 0x68686F, "account": account_id % 2**31}
    )


def find_household_of(connection: Connection, account_id: int) -> int | None:
    """Return the household an account belongs to."""
    t = household_members
    return connection.scalar(select(t.c.household_id).where(t.c.account_id == account_id))


def get_household(connection: Connection, household_id: int) -> Row[Any]:
    """Return a household with its home."""
    query = (
        select(
            households.c.id,
            households.c.created_at,
            homes.c.id.label("home_id"),
            homes.c.name.label("home_name"),
            homes.c.estate,
            neighbourhoods.c.slug,
            neighbourhoods.c.timezone,
        )
        .join(homes, homes.c.id == households.c.home_id)
        .join(neighbourhoods, neighbourhoods.c.id == homes.c.neighbourhood_id)
        .where(households.c.id == household_id)
    )
    return cast("Row[Any]", connection.execute(query).one())


def count_members(connection: Connection, household_id: int) -> int:
    """Count the accounts of a household."""
    t = household_members
    return connection.scalar(select(func.count()).where(t.c.household_id == household_id)) or 0


# ----------------------------------------------------------------------------------------- what others did in its name


def list_acts(connection: Connection, *, before: int | None, limit: int) -> Sequence[Row[Any]]:
    """List what was done in one's household's name, the newest first."""
    query = select(acts)
    if before is not None:
        query = query.where(acts.c.id < before)
    return connection.execute(query.order_by(acts.c.id.desc()).limit(limit)).all()


# ----------------------------------------------------------------------------------------------------- exact look-up


def find_household_by_plate(connection: Connection, plate_hash: bytes) -> int | None:
    """Return the household of an exact plate, as far as a mandate of the worker's covers it."""
    connection.execute(_ASK_PLATE, {"hashed": plate_hash.hex()})
    query = (
        select(vehicles.c.household_id)
        .join(households, households.c.id == vehicles.c.household_id)
        .where(vehicles.c.plate_hash == plate_hash, vehicles.c.withdrawn_at.is_(None))
    )
    return connection.scalar(query)


def find_household_by_account(connection: Connection, account_id: int) -> int | None:
    """Return the household of an account, as far as a mandate of the worker's covers it."""
    connection.execute(_ASK_ACCOUNT, {"account": str(account_id)})
    query = (
        select(household_members.c.household_id)
        .join(households, households.c.id == household_members.c.household_id)
        .where(household_members.c.account_id == account_id)
    )
    return connection.scalar(query)


def has_mandate_for(connection: Connection, account_id: int, *, home_id: int) -> bool:
    """Tell whether a mandate of the worker's covers a home at this moment."""
    query = (
        select(grants.c.id)
        .join(
            homes, (homes.c.neighbourhood_id == grants.c.neighbourhood_id) & (homes.c.estate == grants.c.sub_district)
        )
        .where(
            homes.c.id == home_id,
            grants.c.account_id == account_id,
            grants.c.role == "committee_worker",
            grants.c.revoked_at.is_(None),
            grants.c.expires_at > func.clock_timestamp(),
        )
    )
    return connection.scalar(query.limit(1)) is not None


def add_visit(
    connection: Connection, household_id: int, *, account_id: int, secret_hash: bytes, lasts: timedelta
) -> datetime:
    """Let a committee worker act for a household for a while; return when that ends."""
    row = {
        "household_id": household_id,
        "account_id": account_id,
        "secret_hash": secret_hash,
        "expires_at": func.now() + lasts,
    }
    return cast(
        "datetime",
        connection.execute(insert(committee_visits).values(row).returning(committee_visits.c.expires_at)).scalar_one(),
    )
