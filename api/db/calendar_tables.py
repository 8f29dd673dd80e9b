"""Calendars that planners edit."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from api.db.columns import identity, owner, reference
from api.db.tables import metadata

_zero = text("0")

calendar_notices = Table(
    "calendar_notices",
    metadata,
    identity(),
    Column("country", Text),
    owner("neighbourhood_id", "neighbourhoods", nullable=True, index=True),
    Column("year", Integer, nullable=False),
    Column("decided", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    Column("days", JSON, nullable=False),
    Column("before", JSON, nullable=False),
    Column("stays", Integer, nullable=False, server_default=_zero),
    Column("permits", Integer, nullable=False, server_default=_zero),
    Column("households", Integer, nullable=False, server_default=_zero),
    Column("landed_at", DateTime(timezone=True), nullable=False),
    Column("landed_by", BigInteger),
    CheckConstraint("(country IS NULL) <> (neighbourhood_id IS NULL)", name="place"),
    CheckConstraint("country = upper(country) AND country <> ''", name="country"),
    CheckConstraint("year BETWEEN 2000 AND 2199", name="year"),
    CheckConstraint("source <> ''", name="source"),
    Index("calendar_notices_country_idx", "country", "year"),
)

calendar_years = Table(
    "calendar_years",
    metadata,
    Column("country", Text, primary_key=True),
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("decided", Boolean, nullable=False),
    reference("notice_id", "calendar_notices"),
)

country_days = Table(
    "country_days",
    metadata,
    Column("country", Text, primary_key=True),
    Column("date", Date, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("holiday", Text, nullable=False),
    reference("notice_id", "calendar_notices"),
    CheckConstraint("kind IN ('workday', 'rest_day')", name="kind"),
)
