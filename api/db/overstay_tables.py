"""Strikes, appeals, and buffers sized from what gates saw."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from api.db.columns import identity, owner, reference
from api.db.stay_tables import stays
from api.db.tables import metadata

_MOMENT = DateTime(timezone=True)

overstay_policies = Table(
    "overstay_policies",
    metadata,
    owner("neighbourhood_id", "neighbourhoods", primary_key=True),
    Column("policy", JSONB, nullable=False),
    Column("changed_by", BigInteger),
    Column("changed_at", _MOMENT, nullable=False),
)

strikes = Table(
    "strikes",
    metadata,
    identity(),
    owner("household_id", "households"),
    owner("facility_id", "facilities", index=True),
    reference("stay_id", "stays"),
    Column("leave_by", _MOMENT, nullable=False),
    Column("late_until", _MOMENT, nullable=False),
    Column("struck_at", _MOMENT, nullable=False),
    Column("expires_at", _MOMENT, nullable=False),
    Column("appeal_until", _MOMENT, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'standing'")),
    Column("place", Integer, nullable=False),
    Column("act", Text, nullable=False),
    Column("amount_cents", BigInteger),
    Column("nights", Integer),
    Column("effective_at", _MOMENT, nullable=False),
    Column("effect", Text, nullable=False, server_default=text("'waiting'")),
    Column("did", JSONB),
    Column("struck_by", BigInteger),
    Column("policy", JSONB, nullable=False),
    UniqueConstraint("stay_id"),
    CheckConstraint("leave_by < late_until", name="late"),
    CheckConstraint("struck_at <= appeal_until AND struck_at <= effective_at AND leave_by < expires_at", name="times"),
    CheckConstraint("state IN ('standing', 'lifted')", name="state"),
    CheckConstraint("place >= 0", name="place"),
    CheckConstraint("act IN ('warning', 'fee', 'suspension', 'end')", name="act"),
    CheckConstraint("(act = 'fee') = (amount_cents IS NOT NULL) AND amount_cents > 0", name="amount_cents"),
    CheckConstraint("(act IN ('suspension', 'end')) = (nights IS NOT NULL) AND nights > 0", name="nights"),
    CheckConstraint("effect IN ('waiting', 'done', 'undone')", name="effect"),
    CheckConstraint("state = 'standing' OR effect <> 'done'", name="lifted"),
    Index(None, "household_id", "leave_by"),
    Index("strikes_effective_at_idx", "effective_at", postgresql_where=text("effect = 'waiting'")),
)

strike_appeals = Table(
    "strike_appeals",
    metadata,
    owner("strike_id", "strikes", primary_key=True),
    Column("words", Text, nullable=False),
    Column("made_at", _MOMENT, nullable=False),
    Column("made_by", BigInteger),
    Column("decision", Text),
    Column("note", Text),
    Column("decided_at", _MOMENT),
    Column("decided_by", BigInteger),
    CheckConstraint("words <> ''", name="words"),
    CheckConstraint("decision IN ('upheld', 'lifted')", name="decision"),
    CheckConstraint(
        "(decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (note IS NULL) AND note <> ''",
        name="decided",
    ),
    Index("strike_appeals_made_at_idx", "made_at", postgresql_where=text("decision IS NULL")),
)

buffer_settings = Table(
    "buffer_settings",
    metadata,
    owner("facility_id", "facilities", primary_key=True),
    Column("confidence", Double, nullable=False),
    Column("automatic", Boolean, nullable=False),
    Column("owner_from_min", Integer, nullable=False),
    Column("gate_sees_all", Boolean, nullable=False),
    Column("places", Integer),
    Column("changed_by", BigInteger),
    Column("changed_at", _MOMENT, nullable=False),
    CheckConstraint("0.5 <= confidence AND confidence < 1", name="confidence"),
    CheckConstraint("0 <= owner_from_min AND owner_from_min <= 120", name="owner_from_min"),
    CheckConstraint("places > 0", name="places"),
)

late_mornings = Table(
    "late_mornings",
    metadata,
    owner("facility_id", "facilities", primary_key=True),
    Column("morning", Date, primary_key=True),
    Column("cars", Integer, nullable=False),
    Column("still", ARRAY(Integer), nullable=False),
    Column("late_cars", Integer, nullable=False),
    Column("late_min", BigInteger, nullable=False),
    Column("own_cars", ARRAY(Integer)),
    CheckConstraint("0 < cars AND cardinality(still) > 0 AND still[1] <= cars", name="cars"),
    CheckConstraint("0 <= late_cars AND late_cars <= cars AND 0 <= late_min", name="late"),
)

buffer_estimates = Table(
    "buffer_estimates",
    metadata,
    identity(),
    owner("facility_id", "facilities"),
    Column("day", Date, nullable=False),
    Column("made_at", _MOMENT, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("basis", Text, nullable=False),
    Column("mornings", Integer, nullable=False),
    Column("cars", Integer, nullable=False),
    Column("late_share", Double, nullable=False),
    Column("pool_cars", Integer, nullable=False),
    Column("pool_late_share", Double, nullable=False),
    Column("pool_weight", Double, nullable=False),
    Column("bays", Integer, nullable=False),
    Column("buffer_before", Integer, nullable=False),
    Column("buffer_bays", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("applied_at", _MOMENT),
    UniqueConstraint("facility_id", "day"),
    CheckConstraint("basis IN ('own_cars_seen', 'every_bay_wanted')", name="basis"),
    CheckConstraint("0 <= buffer_bays AND buffer_bays <= bays", name="buffer"),
    CheckConstraint("state IN ('kept', 'proposed', 'applied', 'at_term_change')", name="state"),
    CheckConstraint("(state = 'applied') = (applied_at IS NOT NULL)", name="applied"),
)

Index(
    "stays_permit_leave_by_idx",
    func.upper(stays.c.during),
    postgresql_where=text("state = 'confirmed' AND kind = 'permit'"),
)
