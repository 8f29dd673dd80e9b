"""Accounts, what they may do, households and vehicles, and the secrets that open the door: hashes only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from api.db.columns import identity, moment_made, reference
from api.db.tables import metadata

_OPEN = text("outcome IS NULL")
_NEEDS = "needs IN ('', 'accessible', 'ev', 'accessible ev')"


def _moment(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True))


def _ends() -> Column[Any]:
    return Column("expires_at", DateTime(timezone=True), nullable=False)


accounts = Table(
    "accounts",
    metadata,
    identity(),
    # An identity is (issuer, subject), as in OpenID Connect; ours is never a phone number.
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("password_hash", Text),
    Column("language", Text, nullable=False, server_default=text("'zh'")),
    moment_made(),
    _moment("disabled_at"),
    UniqueConstraint("issuer", "subject"),
    CheckConstraint("language IN ('zh', 'en')", name="language"),
)

owners = Table(
    "owners",
    metadata,
    identity(),
    Column("name", Text, nullable=False),
    reference("created_by", "accounts", nullable=True),
    moment_made(),
    _moment("verified_at"),
    reference("verified_by", "accounts", nullable=True),
)

grants = Table(
    "grants",
    metadata,
    identity(),
    reference("account_id", "accounts", cascade=True, index=True),
    Column("role", Text, nullable=False),
    reference("owner_id", "owners", cascade=True, nullable=True),
    reference("neighbourhood_id", "neighbourhoods", cascade=True, nullable=True),
    Column("sub_district", Text),
    reference("granted_by", "accounts", nullable=True),
    moment_made("granted_at"),
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

households = Table("households", metadata, identity(), reference("home_id", "homes", index=True), moment_made())

household_members = Table(
    "household_members",
    metadata,
    reference("account_id", "accounts", cascade=True, primary_key=True),
    reference("household_id", "households", cascade=True, index=True),
)

vehicles = Table(
    "vehicles",
    metadata,
    identity(),
    reference("household_id", "households"),
    # A keyed hash to compare by, and the plate itself sealed with another key.
    Column("plate_hash", LargeBinary, nullable=False),
    Column("plate_sealed", LargeBinary, nullable=False),
    Column("height_m", Double),
    Column("needs", Text, nullable=False, server_default=text("''")),
    moment_made(),
    _moment("withdrawn_at"),
    CheckConstraint("height_m > 0", name="height_m"),
    CheckConstraint(_NEEDS, name="needs"),
    Index("vehicles_plate_hash_live_key", "plate_hash", unique=True, postgresql_where=text("withdrawn_at IS NULL")),
    Index("vehicles_household_id_live_key", "household_id", unique=True, postgresql_where=text("withdrawn_at IS NULL")),
)

plate_disputes = Table(
    "plate_disputes",
    metadata,
    identity(),
    reference("household_id", "households"),
    Column("plate_hash", LargeBinary, nullable=False),
    Column("plate_sealed", LargeBinary, nullable=False),
    Column("height_m", Double),
    Column("needs", Text, nullable=False, server_default=text("''")),
    moment_made(),
    Column("outcome", Text),
    _moment("decided_at"),
    reference("decided_by", "accounts", nullable=True),
    CheckConstraint("outcome IN ('claimant', 'holder', 'withdrawn')", name="outcome"),
    CheckConstraint("(outcome IS NULL) = (decided_at IS NULL)", name="decided_at"),
    Index("plate_disputes_household_id_open_key", "household_id", unique=True, postgresql_where=_OPEN),
)

plate_claims = Table(
    "plate_claims",
    metadata,
    identity(),
    reference("household_id", "households", cascade=True),
    moment_made("claimed_at"),
    Index(None, "household_id", "claimed_at"),
)

login_sessions = Table(
    "login_sessions",
    metadata,
    identity(),
    reference("account_id", "accounts", cascade=True, index=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    moment_made(),
    _ends(),
    _moment("revoked_at"),
)

bearer_tokens = Table(
    "bearer_tokens",
    metadata,
    identity(),
    reference("account_id", "accounts", cascade=True, index=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("label", Text, nullable=False, server_default=text("''")),
    moment_made(),
    _ends(),
    _moment("revoked_at"),
)

gate_devices = Table(
    "gate_devices",
    metadata,
    identity(),
    reference("facility_id", "facilities", cascade=True, index=True),
    Column("label", Text, nullable=False),
    Column("kind", Text, nullable=False, server_default=text("'gate'")),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("former_key_hash", LargeBinary, unique=True),
    _moment("former_key_until"),
    moment_made(),
    _moment("rotated_at"),
    _moment("revoked_at"),
    CheckConstraint("(former_key_hash IS NULL) = (former_key_until IS NULL)", name="former_key"),
    CheckConstraint("kind IN ('gate', 'warden')", name="kind"),
)

committee_visits = Table(
    "committee_visits",
    metadata,
    identity(),
    reference("account_id", "accounts", cascade=True, index=True),
    reference("household_id", "households", cascade=True, index=True),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    moment_made(),
    _ends(),
)

acts = Table(
    "acts",
    metadata,
    identity(),
    reference("household_id", "households", cascade=True),
    reference("account_id", "accounts"),
    Column("sub_district", Text, nullable=False),
    Column("act", Text, nullable=False),
    moment_made("at"),
    Index(None, "household_id", "id"),
)

log_in_attempts = Table(
    "log_in_attempts",
    metadata,
    identity(),
    Column("kind", Text, nullable=False),
    Column("subject_hash", LargeBinary),
    Column("address_hash", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("now()"), index=True),
    CheckConstraint("kind IN ('log_in', 'registration', 'look_up')", name="kind"),
    Index(None, "subject_hash", "at"),
    Index(None, "address_hash", "at"),
)
