"""Permits, stays on bays, bookings, and the answers kept for requests that are repeated."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
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
from sqlalchemy.dialects.postgresql import DATEMULTIRANGE, DATERANGE, TSTZRANGE, ExcludeConstraint

from api.db.columns import reference
from api.db.tables import metadata

_now = text("now()")


permits = Table(
    "permits",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    reference("household_id", "households"),
    reference("vehicle_id", "vehicles", index=True),
    reference("bay_group_id", "bay_groups", index=True),
    Column("term", DATERANGE, nullable=False),
    Column("days", Text, nullable=False),
    Column("arrive_min", Integer, nullable=False),
    Column("leave_min", Integer, nullable=False),
    Column("stay_through", Boolean, nullable=False, server_default=text("false")),
    Column("state", Text, nullable=False, server_default=text("'active'")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    reference("application_id", "applications", nullable=True, index=True),
    Column("nights", DATEMULTIRANGE),
    Column("days_left_out", ARRAY(Date), nullable=False, server_default=text("'{}'")),
    Column("walk_m", Integer),
    Column("monthly_price_cents", BigInteger),
    Column("ended_at", DateTime(timezone=True)),
    Column("end_reason", Text),
    CheckConstraint("NOT isempty(term) AND NOT lower_inf(term) AND NOT upper_inf(term)", name="term"),
    CheckConstraint("0 <= arrive_min AND arrive_min < leave_min", name="stay"),
    CheckConstraint("state IN ('offered', 'active', 'ended')", name="state"),
    CheckConstraint(
        "end_reason IN ('declined', 'lapsed', 'given_up', 'term_over', 'withdrawn', 'moved', 'strikes', 'ineligible')",
        name="end_reason",
    ),
    ExcludeConstraint(
        ("household_id", "="),
        ("term", "&&"),
        using="gist",
        where=text("state IN ('offered', 'active')"),
        name="permits_household_id_term_excl",
    ),
)

ledger_nights = Table(
    "ledger_nights",
    metadata,
    Column("bay_group_id", BigInteger, ForeignKey("bay_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("night", Date, primary_key=True),
    Column("bays", Integer, nullable=False),
    Column("taken", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("0 <= taken AND taken <= bays", name="taken"),
)

permit_absences = Table(
    "permit_absences",
    metadata,
    Column("permit_id", BigInteger, ForeignKey("permits.id", ondelete="CASCADE"), primary_key=True),
    Column("nights", DATERANGE, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    CheckConstraint("NOT isempty(nights) AND NOT lower_inf(nights) AND NOT upper_inf(nights)", name="nights"),
    ExcludeConstraint(("permit_id", "="), ("nights", "&&"), using="gist", name="permit_absences_permit_id_nights_excl"),
)

stays = Table(
    "stays",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    reference("bay_id", "bays"),
    reference("household_id", "households"),
    reference("permit_id", "permits", nullable=True),
    Column("night", Date),
    Column("during", TSTZRANGE, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint(
        "NOT isempty(during) AND lower_inc(during) AND NOT upper_inc(during)"
        " AND NOT lower_inf(during) AND NOT upper_inf(during)",
        name="during",
    ),
    CheckConstraint("kind IN ('booking', 'permit')", name="kind"),
    CheckConstraint(
        "(kind = 'permit') = (permit_id IS NOT NULL) AND (kind = 'permit') = (night IS NOT NULL)", name="permit"
    ),
    CheckConstraint("state IN ('held', 'confirmed', 'leaving', 'cancelled', 'expired', 'given_back')", name="state"),
    CheckConstraint("(state = 'held') = (expires_at IS NOT NULL)", name="expires_at"),
    ExcludeConstraint(
        ("bay_id", "="),
        ("during", "&&"),
        using="gist",
        where=text("bay_id IS NOT NULL AND state IN ('held', 'confirmed')"),
        name="stays_bay_id_during_excl",
    ),
    ExcludeConstraint(
        ("household_id", "="),
        ("during", "&&"),
        using="gist",
        where=text("household_id IS NOT NULL AND state IN ('held', 'confirmed')"),
        name="stays_household_id_during_excl",
    ),
    Index("stays_household_id_held_key", "household_id", unique=True, postgresql_where=text("state = 'held'")),
    Index(
        "stays_permit_id_night_key",
        "permit_id",
        "night",
        unique=True,
        postgresql_where=text("permit_id IS NOT NULL AND state IN ('held', 'confirmed', 'given_back')"),
    ),
    Index("stays_leaving_idx", "bay_id", postgresql_where=text("state = 'leaving'")),
    Index("stays_expires_at_idx", "expires_at", postgresql_where=text("state = 'held'")),
    Index("stays_household_id_ended_at_idx", "household_id", "ended_at", postgresql_where=text("state = 'expired'")),
)

bookings = Table(
    "bookings",
    metadata,
    Column("stay_id", BigInteger, ForeignKey("stays.id", ondelete="CASCADE"), primary_key=True),
    reference("household_id", "households"),
    reference("vehicle_id", "vehicles", index=True),
    reference("booked_by", "accounts"),
    Column("walk_m", Integer),
    Column("price_cents", BigInteger),
    Column("lost_cents", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("walk_m >= 0", name="walk_m"),
    CheckConstraint("price_cents >= 0", name="price_cents"),
    CheckConstraint("lost_cents BETWEEN 0 AND COALESCE(price_cents, 0)", name="lost_cents"),
    Index(None, "household_id", "stay_id"),
    Index("bookings_lost_idx", "stay_id", postgresql_where=text("lost_cents > 0")),
)

booking_requests = Table(
    "booking_requests",
    metadata,
    Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_sha256", LargeBinary, nullable=False),
    Column("outcome", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now, index=True),
)
