"""Drafts of facilities, the history of every change, and withdrawals."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from api.db.columns import identity, moment_made, owner
from api.db.tables import metadata

_now = text("now()")


facility_drafts = Table(
    "facility_drafts",
    metadata,
    # The facility's id for good, taken before there is one: no reference.
    Column("facility_id", BigInteger, primary_key=True, autoincrement=False),
    owner("neighbourhood_id", "neighbourhoods"),
    Column("owner_id", BigInteger, ForeignKey("owners.id"), index=True),
    Column("code", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'draft'")),
    Column("version", Integer, nullable=False),
    # The published version that was before the writer; none for a facility that has not been published.
    Column("base_version", Integer),
    # JSON and not JSONB: it comes back as it was written.
    Column("feature", JSON, nullable=False),
    moment_made("created_at"),
    moment_made("changed_at"),
    Column("changed_by", BigInteger),
    UniqueConstraint("neighbourhood_id", "code"),
    CheckConstraint("status IN ('draft', 'submitted')", name="status"),
    CheckConstraint("version > COALESCE(base_version, 0)", name="version"),
)

facility_history = Table(
    "facility_history",
    metadata,
    identity(),
    Column("facility_id", BigInteger, nullable=False),
    owner("neighbourhood_id", "neighbourhoods"),
    Column("owner_id", BigInteger),
    Column("version", Integer, nullable=False),
    Column("act", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    # A pseudonym that outlives the account.
    Column("changed_by", BigInteger),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    CheckConstraint(
        "act IN ('drafted', 'edited', 'submitted', 'returned', 'discarded', 'published', 'closed', 'reduced',"
        " 'withdrawn')",
        name="act",
    ),
    Index(None, "facility_id", "id"),
)

withdrawals = Table(
    "withdrawals",
    metadata,
    identity(),
    owner("facility_id", "facilities", index=True),
    Column("version", Integer, nullable=False),
    Column("change", JSON, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("effective_from", DateTime(timezone=True), nullable=False),
    Column("stays", Integer, nullable=False),
    Column("permits", Integer, nullable=False),
    Column("households", Integer, nullable=False),
    moment_made("confirmed_at"),
    Column("confirmed_by", BigInteger),
    Column("moved", Integer, nullable=False, server_default=text("0")),
    Column("not_moved", Integer, nullable=False, server_default=text("0")),
    Column("stays_moved", Integer, nullable=False, server_default=text("0")),
    Column("by_tier", JSON),
    Column("extra_walk_m", Integer),
    Column("called_off_at", DateTime(timezone=True)),
    Column("called_off_by", BigInteger),
    CheckConstraint("urgency IN ('planned', 'emergency')", name="urgency"),
    CheckConstraint("0 <= permits AND 0 <= households AND households <= stays + permits", name="counts"),
    CheckConstraint(
        "0 <= moved AND 0 <= not_moved AND moved + not_moved <= permits AND 0 <= stays_moved AND stays_moved <= stays",
        name="moved",
    ),
)
