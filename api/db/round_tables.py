"""Rounds, applications, the plans of rounds and what they say of every application."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import DATERANGE, JSONB, ExcludeConstraint

from api.db.columns import identity, moment, moment_made, owner, reference
from api.db.tables import metadata

rounds = Table(
    "rounds",
    metadata,
    identity(),
    reference("neighbourhood_id", "neighbourhoods", index=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'draft'")),
    Column("version", Integer, nullable=False, server_default=text("1")),
    moment("opens_at", nullable=False),
    moment("closes_at", nullable=False),
    moment("publishes_at", nullable=False),
    Column("term", DATERANGE, nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("work", JSONB, nullable=False),
    Column("number_source", Text, nullable=False),
    Column("public_number", Text),
    Column("secret_sealed", LargeBinary),
    Column("commitment", LargeBinary),
    Column("seed", BigInteger),
    Column("plan_id", BigInteger, ForeignKey("round_plans.id", use_alter=True, name="rounds_plan_id_fkey")),
    Column("report", JSON),
    Column("created_by", BigInteger),
    moment_made(),
    moment("opened_at"),
    moment("closed_at"),
    moment("published_at"),
    moment("ended_at"),
    Column("deposit_cents", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("deposit_cents >= 0", name="deposit_cents"),
    CheckConstraint(
        "state IN ('draft', 'open', 'closed', 'allocating', 'in_review', 'published', 'active', 'ended', 'cancelled')",
        name="state",
    ),
    CheckConstraint("opens_at < closes_at AND closes_at < publishes_at", name="dates"),
    CheckConstraint("NOT isempty(term) AND NOT lower_inf(term) AND NOT upper_inf(term)", name="term"),
    CheckConstraint("(commitment IS NULL) = (secret_sealed IS NULL)", name="commitment"),
    CheckConstraint(
        "state IN ('draft', 'cancelled') OR commitment IS NOT NULL AND opened_at IS NOT NULL", name="opened"
    ),
    CheckConstraint("seed IS NULL OR public_number IS NOT NULL AND commitment IS NOT NULL", name="seed"),
    CheckConstraint(
        "(state IN ('published', 'active', 'ended')) <= (plan_id IS NOT NULL AND published_at IS NOT NULL)",
        name="published",
    ),
)

round_delays = Table(
    "round_delays",
    metadata,
    identity(),
    owner("round_id", "rounds", index=True),
    moment("was", nullable=False),
    moment("publishes_at", nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_by", BigInteger),
    moment("decided_at", nullable=False),
    CheckConstraint("was < publishes_at", name="later"),
    CheckConstraint("reason <> ''", name="reason"),
)

round_facilities = Table(
    "round_facilities",
    metadata,
    owner("round_id", "rounds", primary_key=True),
    owner("facility_id", "facilities", primary_key=True),
    Column("term", DATERANGE, nullable=False),
    Column("reserved", Boolean, nullable=False, server_default=text("false")),
    ExcludeConstraint(
        ("facility_id", "="),
        ("term", "&&"),
        using="gist",
        where=text("reserved"),
        name="round_facilities_facility_id_term_excl",
    ),
)

applications = Table(
    "applications",
    metadata,
    identity(),
    reference("round_id", "rounds"),
    reference("household_id", "households", index=True),
    reference("vehicle_id", "vehicles"),
    Column("plate_hash", LargeBinary, nullable=False),
    reference("home_id", "homes"),
    Column("days", Text, nullable=False),
    Column("arrive_min", Integer, nullable=False),
    Column("leave_min", Integer, nullable=False),
    Column("stay_through", Boolean, nullable=False, server_default=text("false")),
    Column("max_walk_m", Integer),
    Column("needs", Text, nullable=False, server_default=text("''")),
    Column("height_m", Double),
    Column("claimed_tier", SmallInteger, nullable=False, server_default=text("3")),
    Column("tier", SmallInteger, nullable=False, server_default=text("3")),
    Column("rounds_waited", Integer, nullable=False, server_default=text("0")),
    Column("holds_facility_id", BigInteger, ForeignKey("facilities.id", ondelete="SET NULL")),
    Column("state", Text, nullable=False, server_default=text("'submitted'")),
    Column("version", Integer, nullable=False, server_default=text("1")),
    moment("submitted_at", nullable=False),
    moment("changed_at", nullable=False),
    Column("submitted_by", BigInteger),
    Column("consent_noted", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("0 <= arrive_min AND arrive_min < leave_min", name="stay"),
    CheckConstraint(
        "tier BETWEEN 1 AND 3 AND claimed_tier BETWEEN 1 AND 3 AND tier >= claimed_tier",
        name="tier",
    ),
    CheckConstraint("needs IN ('', 'accessible', 'ev', 'accessible ev')", name="needs"),
    CheckConstraint("max_walk_m > 0", name="max_walk_m"),
    CheckConstraint("rounds_waited >= 0", name="rounds_waited"),
    CheckConstraint("state IN ('submitted', 'withdrawn')", name="state"),
    Index("applications_round_id_household_id_key", "round_id", "household_id", unique=True),
    Index(
        "applications_round_id_plate_key",
        "round_id",
        "plate_hash",
        unique=True,
        postgresql_where=text("state = 'submitted'"),
    ),
)

application_documents = Table(
    "application_documents",
    metadata,
    owner("application_id", "applications", primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("seen_by", BigInteger, nullable=False),
    moment("seen_at", nullable=False),
    CheckConstraint(
        "kind IN ('household_register', 'vehicle_licence', 'disability_card', 'veteran_card', 'birth_certificate', "
        "'other')",
        name="kind",
    ),
)

round_decisions = Table(
    "round_decisions",
    metadata,
    identity(),
    owner("round_id", "rounds", index=True),
    owner("application_id", "applications"),
    owner("facility_id", "facilities", nullable=True),
    Column("decision", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("decided_by", BigInteger),
    moment("decided_at", nullable=False),
    CheckConstraint("decision IN ('lock', 'reject')", name="decision"),
    CheckConstraint("decision = 'reject' OR facility_id IS NOT NULL", name="lock"),
    CheckConstraint("note <> ''", name="note"),
    Index("round_decisions_application_id_facility_id_key", "application_id", "facility_id", unique=True),
    Index(
        "round_decisions_application_id_none_key",
        "application_id",
        unique=True,
        postgresql_where=text("facility_id IS NULL"),
    ),
)

round_plans = Table(
    "round_plans",
    metadata,
    identity(),
    owner("round_id", "rounds", index=True),
    Column("run_id", BigInteger, ForeignKey("allocation_runs.id", ondelete="SET NULL")),
    Column("base_id", BigInteger, ForeignKey("round_plans.id", ondelete="SET NULL")),
    Column("summary", JSON, nullable=False),
    Column("certificate", JSON, nullable=False),
    Column("input_sha256", JSONB, nullable=False),
    Column("inputs", LargeBinary, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("version", Text, nullable=False),
    Column("value_m", BigInteger, nullable=False),
    Column("bound_m", BigInteger, nullable=False),
    Column("demands", Integer, nullable=False),
    Column("served", Integer, nullable=False),
    Column("locked", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("decisions_cost_m", BigInteger),
    Column("comparison", JSON),
    moment("checked_at"),
    moment("created_at", nullable=False),
    CheckConstraint("value_m <= bound_m", name="bound_m"),
    CheckConstraint("0 <= served AND served <= demands", name="served"),
)

round_outcomes = Table(
    "round_outcomes",
    metadata,
    owner("plan_id", "round_plans", primary_key=True),
    owner("application_id", "applications", primary_key=True, index=True),
    Column("position", Integer),
    Column("salt", LargeBinary),
    reference("bay_group_id", "bay_groups", nullable=True),
    Column("walk_m", Integer),
    Column("days_left_out", ARRAY(Date)),
    Column("reason", Text),
    Column("options", JSON),
    CheckConstraint(
        "(bay_group_id IS NULL) = (walk_m IS NULL) AND (bay_group_id IS NULL) = (reason IS NOT NULL)", name="served"
    ),
)

round_receipts = Table(
    "round_receipts",
    metadata,
    owner("plan_id", "round_plans", primary_key=True),
    Column("leaves", Integer, nullable=False),
    Column("tree", LargeBinary, nullable=False),
    CheckConstraint("leaves >= 0", name="leaves"),
)
