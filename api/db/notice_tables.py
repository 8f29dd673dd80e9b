"""What households are told, and the ways it takes out of the house."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from api.db.columns import identity, reference
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
    Index(
        "notices_stay_id_kind_withdrawal_key",
        "stay_id",
        "kind",
        text("COALESCE(facts ->> 'withdrawal', '')"),
        unique=True,
    ),
    Index(None, "household_id", "id"),
    Index(
        "notices_household_id_kind_once_key",
        "household_id",
        "kind",
        "once",
        unique=True,
        postgresql_where=text("once IS NOT NULL"),
    ),
    Index("notices_unrouted_idx", "id", postgresql_where=text("routed_at IS NULL")),
    Index("notices_untold_idx", "id", postgresql_where=text("told_at IS NULL")),
)

household_contacts = Table(
    "household_contacts",
    metadata,
    reference("household_id", "households", cascade=True, primary_key=True),
    Column("email_sealed", LargeBinary, nullable=False),
    Column("language", Text, nullable=False),
    Column("by_mail", Boolean, nullable=False, server_default=text("true")),
    Column("code_nonce", LargeBinary),
    Column("code_until", DateTime(timezone=True)),
    Column("code_tries", Integer, nullable=False, server_default=text("0")),
    Column("verified_at", DateTime(timezone=True)),
    Column("bounced_at", DateTime(timezone=True)),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("language IN ('zh', 'en')", name="language"),
    CheckConstraint("(code_nonce IS NULL) = (code_until IS NULL)", name="code"),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    identity(),
    reference("household_id", "households", cascade=True, nullable=True, index=True),
    reference("owner_id", "owners", cascade=True, nullable=True, index=True),
    Column("url_sealed", LargeBinary, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("former_sealed", LargeBinary),
    Column("former_until", DateTime(timezone=True)),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("paused_until", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("removed_at", DateTime(timezone=True)),
    CheckConstraint("(household_id IS NULL) <> (owner_id IS NULL)", name="whose"),
    CheckConstraint("(former_sealed IS NULL) = (former_until IS NULL)", name="former"),
)

deliveries = Table(
    "deliveries",
    metadata,
    identity(),
    Column("channel", Text, nullable=False),
    reference("household_id", "households", cascade=True, nullable=True),
    reference("notice_id", "notices", cascade=True, nullable=True),
    reference("endpoint_id", "webhook_endpoints", cascade=True, nullable=True),
    Column("event", JSONB),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_at", DateTime(timezone=True), nullable=False),
    Column("error", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint("channel IN ('mail', 'code', 'webhook')", name="channel"),
    CheckConstraint("state IN ('waiting', 'sent', 'failed')", name="state"),
    CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended_at"),
    CheckConstraint(
        "(channel = 'webhook') = (endpoint_id IS NOT NULL) AND (channel = 'webhook' OR household_id IS NOT NULL)",
        name="where",
    ),
    CheckConstraint(
        "(channel = 'code') <> (notice_id IS NOT NULL OR event IS NOT NULL) AND (notice_id IS NULL OR event IS NULL)",
        name="what",
    ),
    Index("deliveries_waiting_idx", "channel", "next_at", "id", postgresql_where=text("state = 'waiting'")),
    Index("deliveries_notice_id_mail_key", "notice_id", unique=True, postgresql_where=text("channel = 'mail'")),
    Index("deliveries_notice_id_endpoint_id_key", "notice_id", "endpoint_id", unique=True),
    Index(None, "household_id", "id"),
    Index(None, "endpoint_id", "id"),
)

Index(
    "stays_leave_by_idx",
    func.upper(stays.c.during),
    postgresql_where=text("state = 'confirmed' AND kind = 'booking'"),
)
