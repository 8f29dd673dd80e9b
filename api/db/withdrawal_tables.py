"""What became of the permits and bookings that a withdrawal hit, and permits that stand elsewhere for some nights."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Integer,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import DATEMULTIRANGE

from api.db.columns import identity, owner, reference
from api.db.tables import metadata

permit_detours = Table(
    "permit_detours",
    metadata,
    identity(),
    owner("permit_id", "permits", index=True),
    owner("withdrawal_id", "withdrawals"),
    Column("evenings", DATEMULTIRANGE, nullable=False),
    Column("nights", DATEMULTIRANGE, nullable=False),
    reference("bay_group_id", "bay_groups", nullable=True, index=True),
    Column("walk_m", Integer),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("(walk_m IS NULL) = (bay_group_id IS NULL)", name="walk_m"),
)

withdrawal_permits = Table(
    "withdrawal_permits",
    metadata,
    owner("withdrawal_id", "withdrawals", primary_key=True),
    owner("permit_id", "permits", primary_key=True, index=True),
    reference("household_id", "households"),
    Column("tier", SmallInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    reference("bay_group_id", "bay_groups"),
    Column("walk_m", Integer),
    Column("nights", DATEMULTIRANGE, nullable=False),
    Column("nights_lost", Integer, nullable=False),
    Column("last", Date, nullable=False),
    reference("new_permit_id", "permits", nullable=True),
    reference("new_bay_group_id", "bay_groups", nullable=True),
    Column("new_walk_m", Integer),
    CheckConstraint("outcome IN ('moved', 'elsewhere', 'nights_left_out', 'ended', 'offer_withdrawn')", name="outcome"),
    CheckConstraint("nights_lost >= 0", name="nights_lost"),
)

withdrawal_stays = Table(
    "withdrawal_stays",
    metadata,
    owner("withdrawal_id", "withdrawals", primary_key=True),
    owner("stay_id", "stays", primary_key=True),
    reference("household_id", "households"),
    Column("new_stay_id", BigInteger, ForeignKey("stays.id", ondelete="SET NULL")),
    Column("refund_cents", BigInteger),
    CheckConstraint("refund_cents >= 0", name="refund_cents"),
)
