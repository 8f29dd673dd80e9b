"""Offers, the waitlist, bays that came free for it, and every date that was told."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from api.db.columns import identity, moment, owner, reference
from api.db.tables import metadata

offers = Table(
    "offers",
    metadata,
    identity(),
    reference("permit_id", "permits"),
    reference("household_id", "households", index=True),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    moment("made_at", nullable=False),
    moment("delivered_at"),
    moment("expires_at"),
    moment("decided_at"),
    Column("decided_by", BigInteger),
    UniqueConstraint("permit_id"),
    CheckConstraint("source IN ('plan', 'waitlist', 're_accommodation')", name="source"),
    CheckConstraint("state IN ('pending', 'accepted', 'declined', 'lapsed', 'withdrawn')", name="state"),
    CheckConstraint("(delivered_at IS NULL) = (expires_at IS NULL)", name="expires_at"),
    CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided_at"),
    Index("offers_expires_at_idx", "expires_at", postgresql_where=text("state = 'pending'")),
)

waitlist_entries = Table(
    "waitlist_entries",
    metadata,
    identity(),
    owner("round_id", "rounds"),
    owner("application_id", "applications"),
    reference("household_id", "households", index=True),
    Column("tier", SmallInteger, nullable=False),
    Column("rounds_waited", Integer, nullable=False),
    Column("draw", LargeBinary, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    moment("joined_at", nullable=False),
    moment("reached_at"),
    moment("ended_at"),
    UniqueConstraint("application_id"),
    CheckConstraint("state IN ('waiting', 'offered', 'served', 'left')", name="state"),
    CheckConstraint("tier BETWEEN 1 AND 3", name="tier"),
)

waitlist_options = Table(
    "waitlist_options",
    metadata,
    owner("entry_id", "waitlist_entries", primary_key=True),
    owner("bay_group_id", "bay_groups", primary_key=True, index=True),
    Column("walk_m", Integer, nullable=False),
)

waitlist_releases = Table(
    "waitlist_releases",
    metadata,
    identity(),
    owner("round_id", "rounds"),
    owner("bay_group_id", "bay_groups"),
    reference("permit_id", "permits", nullable=True),
    Column("cause", Text, nullable=False),
    moment("released_at", nullable=False),
    Column("offered_entry_id", BigInteger, ForeignKey("waitlist_entries.id", ondelete="SET NULL")),
    UniqueConstraint("permit_id"),
    CheckConstraint(
        "cause IN ('declined', 'lapsed', 'given_up', 'withdrawn', 'moved', 'strikes', 'ineligible', 'added')",
        name="cause",
    ),
    CheckConstraint("(cause = 'added') = (permit_id IS NULL)", name="permit"),
    Index("waitlist_releases_bay_group_id_idx", "bay_group_id", "released_at"),
)

waitlist_passes = Table(
    "waitlist_passes",
    metadata,
    owner("offer_id", "offers", primary_key=True),
    owner("entry_id", "waitlist_entries", primary_key=True, index=True),
    owner("bay_group_id", "bay_groups"),
    Column("night", Date),
    moment("passed_at", nullable=False),
)

date_estimates = Table(
    "date_estimates",
    metadata,
    identity(),
    owner("entry_id", "waitlist_entries"),
    moment("made_at", nullable=False),
    Column("position", Integer, nullable=False),
    Column("half_by", Date),
    Column("most_by", Date),
    Column("not_before", Date),
    Column("why", Text),
    CheckConstraint("position > 0", name="position"),
    CheckConstraint(
        "(half_by IS NULL) = (most_by IS NULL) AND (half_by IS NULL) = (not_before IS NOT NULL) "
        "AND (not_before IS NULL) = (why IS NULL)",
        name="said",
    ),
    CheckConstraint("half_by <= most_by", name="order"),
    Index("date_estimates_entry_id_idx", "entry_id", "id"),
)
