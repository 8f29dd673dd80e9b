"""Accounts, what they may do, households and vehicles, and the secrets that open the door: hashes only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from api.db.tables import metadata

_OPEN = text("outcome IS NULL")
_NEEDS = "needs IN ('', 'accessible', 'ev', 'accessible ev')"


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=False), primary_key=True)


def _of(name: str, table: str, *, cascade: bool = False, **options: Any) -> Column[int]:  # noqa: ANN401 -- to Column
    options.setdefault("nullable", False)
    reference = ForeignKey(f"{table}.id", ondelete="CASCADE" if cascade else None)
    return Column(name, BigInteger, reference, **options)


def _moment(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True))


def _made(name: str = "created_at") -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=text("now()"))


def _ends() -> Column[Any]:
    return Column("expires_at", DateTime(timezone=True), nullable=False)


accounts = Table(
    "accounts",
    metadata,
    _id(),
    # An identity is (issuer, subject), as in OpenID Connect; ours is never a phone number.
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("password_hash", Text),
    Column("language", Text, nullable=False, server_default=text("'zh'")),
    _made(),
    _moment("disabled_at"),
    UniqueConstraint("issuer", "subject"),
    CheckConstraint("language IN ('zh', 'en')", name="language"),
)

owners = Table(
    "owners",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    _of("created_by", "accounts", nullable=True),
    _made(),
    _moment("verified_at"),
    _of("verified_by", "accounts", nullable=True),
)

grants = Table(
    "grants",
    metadata,
    _id(),
    _of("account_id", "accounts", cascade=True, index=True),
    Column("role", Text, nullable=False),
    _of("owner_id", "owners", cascade=True, nullable=True),
    _of("neighbourhood_id", "neighbourhoods", cascade=True, nullable=True),
    Column("sub_district", Text),
    _of("granted_by", "accounts", nullable=True),
    _made("granted_at"),
    _moment("expires_at"),
    _moment("revoked_at"),
    CheckConstraint("role IN ('planner', 'owner', 'committee_worker')", name="role"),
    CheckConstraint("(role = 'owner') = (owner_id IS NOT NULL)", name="owner"),
    CheckConstraint(
        "(role = 'committee_worker') = (sub_district IS NOT NULL)"
        " AND (role = 'committee_worker') = (neighbourhood_id IS NOT NULL)"
        " AND (role <> 'committee_worker' OR expires_at IS NOT NULL)",
        name="mandate",
    ),
)

households = Table("households", metadata, _id(), _of("home_id", "homes", index=True), _made())

household_members = Table(
    "household_members",
    metadata,
    _of("account_id", "accounts", cascade=True, primary_key=True),
    _of("household_id", "households", cascade=True, index=True),
)

vehicles = Table(
    "vehicles",
    metadata,
    _id(),
    _of("household_id", "households"),
    # A keyed hash to compare by, and the plate itself sealed with another key.
    Column("plate_hash", LargeBinary, nullable=False),
    Column("plate_sealed", LargeBinary, nullable=False),
    Column("height_m", Double),
    Column("needs", Text, nullable=False, server_default=text("''")),
    _made(),
    _moment("withdrawn_at"),
    CheckConstraint("height_m > 0", name="height_m"),
    CheckConstraint(_NEEDS, name="needs"),
    Index("vehicles_plate_hash_live_key", "plate_hash", unique=True, postgresql_where=text("withdrawn_at IS NULL")),
    Index("vehicles_household_id_live_key", "household_id", unique=True, postgresql_where=text("withdrawn_at IS NULL")),
)

plate_disputes = Table(
    "plate_disputes",
    metadata,
    _id(),
    _of("household_id", "households"),
    Column("plate_hash", LargeBinary, nullable=False),
    Column("plate_sealed", LargeBinary, nullable=False),
    Column("height_m", Double),
    Column("needs", Text, nullable=False, server_default=text("''")),
    _made(),
    Column("outcome", Text),
    _moment("decided_at"),
    _of("decided_by", "accounts", nullable=True),
    CheckConstraint("outcome IN ('claimant', 'holder', 'withdrawn')", name="outcome"),
    CheckConstraint("(outcome IS NULL) = (decided_at IS NULL)", name="decided_at"),
    Index("plate_disputes_household_id_open_key", "household_id", unique=True, postgresql_where=_OPEN),
)

plate_claims = Table(
    "plate_claims",
    metadata,
    _id(),
    _of("household_id", "households", cascade=True),
    _made("claimed_at"),
    Index(None, "household_id", "claimed_at"),
)

login_sessions = Table(
    "login_sessions",
    metadata,
    _id(),
    _of("account_id", "accounts", cascade=True, index=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    _made(),
    _ends(),
    _moment("revoked_at"),
)

bearer_tokens = Table(
    "bearer_tokens",
    metadata,
    _id(),
    _of("account_id", "accounts", cascade=True, index=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("label", Text, nullable=False, server_default=text("''")),
    _made(),
    _ends(),
    _moment("revoked_at"),
)

gate_devices = Table(
    "gate_devices",
    metadata,
    _id(),
    _of("facility_id", "facilities", cascade=True, index=True),
    Column("label", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("former_key_hash", LargeBinary, unique=True),
    _moment("former_key_until"),
    _made(),
    _moment("rotated_at"),
    _moment("revoked_at"),
    CheckConstraint("(former_key_hash IS NULL) = (former_key_until IS NULL)", name="former_key"),
)

committee_visits = Table(
    "committee_visits",
    metadata,
    _id(),
    _of("account_id", "accounts", cascade=True, index=True),
    _of("household_id", "households", cascade=True, index=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    _made(),
    _ends(),
)

acts = Table(
    "acts",
    metadata,
    _id(),
    _of("household_id", "households", cascade=True),
    _of("account_id", "accounts"),
    Column("sub_district", Text, nullable=False),
    Column("act", Text, nullable=False),
    _made("at"),
    Index(None, "household_id", "id"),
)

log_in_attempts = Table(
    "log_in_attempts",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("subject_hash", LargeBinary),
    Column("address_hash", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("now()"), index=True),
    CheckConstraint("kind IN ('log_in', 'registration', 'look_up')", name="kind"),
    Index(None, "subject_hash", "at"),
    Index(None, "address_hash", "at"),
)
