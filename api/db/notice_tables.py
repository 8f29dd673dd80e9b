"""What households are told."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from api.db.stay_tables import stays
from api.db.tables import metadata

notices = Table(
    "notices",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("household_id", BigInteger, ForeignKey("households.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("stay_id", BigInteger, ForeignKey("stays.id", ondelete="CASCADE"), nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), index=True),
    Column("told_at", DateTime(timezone=True)),
    Column("read_at", DateTime(timezone=True)),
    CheckConstraint("kind IN ('leave_soon', 'stay_withdrawn')", name="kind"),
    CheckConstraint("(kind = 'stay_withdrawn') = (facts ? 'withdrawal')", name="facts"),
    UniqueConstraint("stay_id", "kind"),
    Index(None, "household_id", "id"),
)

Index(
    "stays_leave_by_idx",
    func.upper(stays.c.during),
    postgresql_where=text("state = 'confirmed' AND kind = 'booking'"),
)
