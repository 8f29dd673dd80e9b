"""Work that waits for a worker: allocation runs that planners ask for, and imports of facilities."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
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
    text,
)

from api.db.tables import metadata

allocation_runs = Table(
    "allocation_runs",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("neighbourhood_id", BigInteger, ForeignKey("neighbourhoods.id", ondelete="CASCADE"), nullable=False),
    Column("asked_by", BigInteger, ForeignKey("accounts.id", ondelete="SET NULL")),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("parameters", JSON, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("progress", JSON),
    Column("plan_id", BigInteger, ForeignKey("plans.id", ondelete="SET NULL"), unique=True),
    Column("said", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("round_id", BigInteger, ForeignKey("rounds.id", ondelete="CASCADE")),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
    CheckConstraint("(state IN ('done', 'failed', 'cancelled')) = (ended_at IS NOT NULL)", name="ended_at"),
    CheckConstraint("plan_id IS NULL OR state = 'done'", name="plan_id"),
    CheckConstraint("(state = 'failed') = (said IS NOT NULL)", name="said"),
    Index(None, "neighbourhood_id", "id"),
)

facility_imports = Table(
    "facility_imports",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("neighbourhood_id", BigInteger, ForeignKey("neighbourhoods.id", ondelete="CASCADE"), nullable=False),
    Column("asked_by", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("owner_id", BigInteger, ForeignKey("owners.id", ondelete="CASCADE")),
    Column("publish", Boolean, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("file", LargeBinary),
    Column("reading", JSON, nullable=False),
    Column("outcome", JSON),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('queued', 'done', 'failed')", name="state"),
    CheckConstraint("(state = 'queued') = (file IS NOT NULL)", name="file"),
    CheckConstraint("(state = 'queued') = (outcome IS NULL)", name="outcome"),
    CheckConstraint("(state = 'queued') = (ended_at IS NULL)", name="ended_at"),
)
