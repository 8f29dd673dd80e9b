"""What the service asks the database about grants and owners, and what it writes there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from api.db.account_tables import grants, owners
from api.db.tables import homes, neighbourhoods
from api.errors import ApiError


class OwnerNotFound(ApiError):
    """No owner of this id."""


class GrantNotFound(ApiError):
    """No grant of this id is in force."""


class SubDistrictNotFound(ApiError):
    """No home of the neighbourhood lies in a sub-district of this name."""


def add_grant(
    connection: Connection,
    account_id: int,
    *,
    role: str,
    granted_by: int | None,
    owner_id: int | None = None,
    neighbourhood_id: int | None = None,
    sub_district: str | None = None,
    expires_at: datetime | None = None,
) -> int:
    """Grant a role and return the grant's id."""
    row = {
        "account_id": account_id,
        "role": role,
        "owner_id": owner_id,
        "neighbourhood_id": neighbourhood_id,
        "sub_district": sub_district,
        "granted_by": granted_by,
        "expires_at": expires_at,
    }
    grant_id: int = connection.execute(insert(grants).values(row).returning(grants.c.id)).scalar_one()
    return grant_id


def list_grants(connection: Connection, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """List the grants one may see, the oldest first."""
    query = select(grants).where(grants.c.id > after).order_by(grants.c.id).limit(limit)
    return connection.execute(query).all()


def revoke_grant(connection: Connection, grant_id: int) -> None:
    """End a grant at once; raise GrantNotFound when none is in force."""
    mine = update(grants).where(grants.c.id == grant_id, grants.c.revoked_at.is_(None))
    if not connection.execute(mine.values(revoked_at=func.clock_timestamp())).rowcount:
        raise GrantNotFound("no such grant")


def find_sub_district(connection: Connection, slug: str, estate: str) -> int | None:
    """Return the neighbourhood of a sub-district that has a home."""
    query = (
        select(homes.c.neighbourhood_id)
        .join(neighbourhoods, neighbourhoods.c.id == homes.c.neighbourhood_id)
        .where(neighbourhoods.c.slug == slug, homes.c.estate == estate)
    )
    return connection.scalar(query.limit(1))


# -------------------------------------------------------------------------------------------------------------- owners


def add_owner(connection: Connection, name: str, *, created_by: int) -> Row[Any]:
    """Add an owner that nobody has verified."""
    return connection.execute(insert(owners).values(name=name, created_by=created_by).returning(owners)).one()


def count_unverified_owners(connection: Connection, account_id: int) -> int:
    """Count the owners an account has entered that wait for verification."""
    query = select(func.count()).where(owners.c.created_by == account_id, owners.c.verified_at.is_(None))
    return connection.scalar(query) or 0


def list_owners(connection: Connection, *, among: frozenset[int] | None, after: int, limit: int) -> Sequence[Row[Any]]:
    """List owners, all or those of some ids, the oldest first."""
    query = select(owners).where(owners.c.id > after)
    if among is not None:
        query = query.where(owners.c.id.in_(among))
    return connection.execute(query.order_by(owners.c.id).limit(limit)).all()


def require_owner(connection: Connection, owner_id: int) -> None:
    """Raise OwnerNotFound without an owner of this id."""
    if connection.scalar(select(owners.c.id).where(owners.c.id == owner_id)) is None:
        raise OwnerNotFound("no such owner")


def verify_owner(connection: Connection, owner_id: int, *, verified_by: int) -> Row[Any]:
    """Note that an owner is who it says; the first verification counts."""
    require_owner(connection, owner_id)
    first = update(owners).where(owners.c.id == owner_id, owners.c.verified_at.is_(None))
    connection.execute(first.values(verified_at=func.now(), verified_by=verified_by))
    return connection.execute(select(owners).where(owners.c.id == owner_id)).one()
