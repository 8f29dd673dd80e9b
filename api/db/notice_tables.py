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
from api.notices.kinds import KINDS, OF_STAYS

notices = Table(
    "notices",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("household_id", BigInteger, ForeignKey("households.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("stay_id", BigInteger, ForeignKey("stays.id", ondelete="CASCADE")),
    Column("facts", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()"), index=True),
    Column("told_at", DateTime(timezone=True)),
    Column("read_at", DateTime(timezone=True)),
    Column("once", Text),
    Column("routed_at", DateTime(timezone=True)),
    CheckConstraint(f"kind IN ({', '.join(map(repr, KINDS))})", name="kind"),
    CheckConstraint(f"kind NOT IN {OF_STAYS} OR stay_id IS NOT NULL AND facts ?& '{{facility,from,to}}'", name="facts"),
    CheckConstraint("kind <> 'stay_withdrawn' OR facts ? 'withdrawal'", name="withdrawal"),
    UniqueConstraint("stay_id", "kind"),
    UniqueConstraint("household_id", "kind", "once"),
    Index(None, "household_id", "id"),
    Index("notices_unrouted_idx", "id", postgresql_where=text("routed_at IS NULL")),
    Index("notices_untold_idx", "id", postgresql_where=text("told_at IS NULL")),
)

Index(
    "stays_leave_by_idx",
    func.upper(stays.c.during),
    postgresql_where=text("state = 'confirmed' AND kind = 'booking'"),
)
