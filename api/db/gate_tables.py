"""What gates are told, and what they saw."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from api.db.columns import identity, reference
from api.db.tables import metadata


def _moment(name: str, *, nullable: bool = False, index: bool | None = None) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable, index=index)


def _name(name: str) -> Column[Any]:
    return Column(name, Text, nullable=False)


def _version(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, BigInteger, nullable=nullable)


def _seen_stay() -> Column[Any]:
    return Column("stay_id", BigInteger, ForeignKey("stays.id", ondelete="SET NULL"), index=True)


allow_lists = Table(
    "allow_lists",
    metadata,
    reference("facility_id", "facilities", cascade=True, primary_key=True),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("0 <= version", name="version"),
)

allow_list_rows = Table(
    "allow_list_rows",
    metadata,
    identity(),
    reference("facility_id", "facilities", cascade=True),
    reference("stay_id", "stays", cascade=True, index=True),
    reference("bay_id", "bays", cascade=True, index=True),
    _name("kind"),
    Column("plate_hash", LargeBinary, nullable=False),
    Column("plate_sealed", LargeBinary, nullable=False),
    _moment("starts_at"),
    _moment("ends_at", index=True),
    _version("added_version"),
    _version("removed_version", nullable=True),
    _moment("removed_at", nullable=True),
    CheckConstraint("kind IN ('booking', 'permit')", name="kind"),
    CheckConstraint("starts_at < ends_at", name="times"),
    CheckConstraint(
        "(removed_version IS NULL) = (removed_at IS NULL) AND added_version < removed_version", name="removed"
    ),
    Index("allow_list_rows_stay_id_live_key", "stay_id", unique=True, postgresql_where=text("removed_version IS NULL")),
    Index(None, "facility_id", "ends_at"),
    Index(None, "facility_id", "plate_hash"),
)

allow_list_pushes = Table(
    "allow_list_pushes",
    metadata,
    reference("endpoint_id", "webhook_endpoints", cascade=True, primary_key=True),
    reference("facility_id", "facilities", cascade=True, primary_key=True, index=True),
    _version("version", nullable=True),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    _moment("next_at"),
    Column("error", Text),
    _moment("failing_since", nullable=True),
)

plates_off_list = Table(
    "plates_off_list",
    metadata,
    identity(),
    reference("household_id", "households", cascade=True, index=True),
    _moment("starts_at"),
    _moment("ends_at"),
    _name("reason"),
    CheckConstraint("starts_at <= ends_at", name="times"),
)

allow_list_exports = Table(
    "allow_list_exports",
    metadata,
    identity(),
    reference("facility_id", "facilities", cascade=True),
    reference("device_id", "gate_devices", cascade=True, nullable=True),
    reference("account_id", "accounts", nullable=True),
    _name("way"),
    _version("version"),
    Column("num_rows", Integer, nullable=False),
    _moment("at"),
    CheckConstraint("way IN ('json', 'csv', 'webhook', 'command')", name="way"),
    Index(None, "facility_id", "at"),
)

gate_events = Table(
    "gate_events",
    metadata,
    identity(),
    reference("facility_id", "facilities", cascade=True),
    reference("device_id", "gate_devices", cascade=True, nullable=True),
    _name("source"),
    _name("name"),
    Column("content_hash", LargeBinary, nullable=False),
    _name("direction"),
    _moment("happened_at", index=True),
    _moment("received_at"),
    Column("confidence", Double),
    Column("read_sealed", LargeBinary),
    Column("plate_hash", LargeBinary),
    Column("plate_sealed", LargeBinary),
    _name("match"),
    _moment("reviewed_at", nullable=True),
    Column("reviewed_by", BigInteger),
    CheckConstraint("source IN ('gate', 'file', 'self', 'code')", name="source"),
    CheckConstraint("source IN ('file', 'self') OR device_id IS NOT NULL", name="device"),
    CheckConstraint("direction IN ('entry', 'exit')", name="direction"),
    CheckConstraint("0 <= confidence AND confidence <= 1", name="confidence"),
    CheckConstraint("match IN ('exact', 'corrected', 'unknown', 'assigned', 'dismissed')", name="match"),
    CheckConstraint(
        "(plate_hash IS NULL) = (plate_sealed IS NULL)"
        " AND (match = 'unknown' OR (match = 'dismissed') = (plate_hash IS NULL))",
        name="plate",
    ),
    CheckConstraint("(match IN ('assigned', 'dismissed')) = (reviewed_at IS NOT NULL)", name="reviewed"),
    Index(
        "gate_events_device_id_name_key",
        "device_id",
        "name",
        unique=True,
        postgresql_where=text("device_id IS NOT NULL"),
    ),
    Index(
        "gate_events_facility_id_source_name_key",
        "facility_id",
        "source",
        "name",
        unique=True,
        postgresql_where=text("device_id IS NULL"),
    ),
    Index("gate_events_facility_id_plate_hash_idx", "facility_id", "plate_hash", "happened_at"),
    Index("gate_events_review_idx", "facility_id", "id", postgresql_where=text("match = 'unknown'")),
)

gate_sessions = Table(
    "gate_sessions",
    metadata,
    identity(),
    reference("facility_id", "facilities", cascade=True),
    Column("plate_hash", LargeBinary, nullable=False),
    Column("plate_sealed", LargeBinary, nullable=False),
    _moment("began_at", index=True),
    _moment("entered_at", nullable=True),
    _moment("left_at", nullable=True),
    _name("state"),
    _seen_stay(),
    Column("disputed", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("facility_id", "plate_hash", "began_at"),
    CheckConstraint("state IN ('open', 'closed', 'no_entry', 'no_exit')", name="state"),
    CheckConstraint(
        "began_at = COALESCE(entered_at, left_at) AND (state = 'no_entry') = (entered_at IS NULL)"
        " AND (state IN ('closed', 'no_entry')) = (left_at IS NOT NULL) AND entered_at <= left_at",
        name="times",
    ),
    Index(None, "facility_id", "began_at"),
)

gate_codes = Table(
    "gate_codes",
    metadata,
    identity(),
    reference("stay_id", "stays", cascade=True, index=True),
    reference("household_id", "households", cascade=True),
    reference("facility_id", "facilities", cascade=True),
    Column("code_hash", LargeBinary, nullable=False),
    _moment("made_at"),
    _moment("expires_at"),
    _moment("entry_used_at", nullable=True),
    _moment("exit_used_at", nullable=True),
    CheckConstraint("made_at <= expires_at", name="expires_at"),
    Index(None, "facility_id", "expires_at"),
    Index(None, "household_id", "made_at"),
)

gate_checks = Table(
    "gate_checks",
    metadata,
    identity(),
    reference("device_id", "gate_devices", cascade=True),
    reference("facility_id", "facilities", cascade=True),
    _name("kind"),
    Column("allowed", Boolean, nullable=False),
    _moment("at", index=True),
    CheckConstraint("kind IN ('code', 'plate')", name="kind"),
    Index(None, "device_id", "at"),
    Index(None, "facility_id", "at"),
)

facility_contacts = Table(
    "facility_contacts",
    metadata,
    reference("facility_id", "facilities", cascade=True, primary_key=True),
    _name("name"),
    _name("phone"),
)

bay_claims = Table(
    "bay_claims",
    metadata,
    identity(),
    Column("stay_id", BigInteger, ForeignKey("stays.id", ondelete="CASCADE"), nullable=False, unique=True),
    reference("household_id", "households", cascade=True, index=True),
    reference("facility_id", "facilities", cascade=True),
    reference("bay_id", "bays", cascade=True),
    _moment("until"),
    _moment("claimed_at"),
    Column("evidence", Text),
    _name("outcome"),
    reference("new_stay_id", "stays", nullable=True, index=True),
    Column("due_cents", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint(
        "outcome IN ('moved', 'money_back') AND (outcome = 'moved') = (new_stay_id IS NOT NULL)", name="outcome"
    ),
    CheckConstraint("0 <= due_cents AND (outcome = 'money_back' OR due_cents = 0)", name="due_cents"),
    Index("bay_claims_bay_id_idx", "bay_id", "until"),
    Index("bay_claims_facility_id_idx", "facility_id", "id"),
)

bays_out_of_use = Table(
    "bays_out_of_use",
    metadata,
    identity(),
    reference("bay_id", "bays", cascade=True),
    _moment("starts_at"),
    _moment("ends_at"),
    CheckConstraint("starts_at < ends_at", name="times"),
    Index("bays_out_of_use_bay_id_idx", "bay_id", "ends_at"),
)
