"""
What the database holds, under the glossary's names.

A neighbourhood owns its rows and takes them with it. `code` is an id as the folder writes it, unique within its
neighbourhood; `position` is the row's place in its file, so that what went in comes out in the same order.
"""

from __future__ import annotations

from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from api.db.columns import identity, owner

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def _geometry(kind: str) -> Column[Any]:
    # The index is named in the migration like every other, so GeoAlchemy must not add its own.
    return Column("geometry", Geometry(kind, srid=4326, spatial_index=False), nullable=False)


neighbourhoods = Table(
    "neighbourhoods",
    metadata,
    identity(),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("timezone", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("crs", Text, nullable=False),
    Column("seed", Numeric, nullable=False),
    Column("term_from", Date, nullable=False),
    Column("term_to", Date, nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("has_walks", Boolean, nullable=False),
    Column("input_sha256", JSONB, nullable=False),
    Column("warnings", JSONB, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("term_from <= term_to", name="term"),
    CheckConstraint("crs IN ('EPSG:4326', 'GCJ-02', 'BD-09')", name="crs"),
)

street_files = Table(
    "street_files",
    metadata,
    owner("neighbourhood_id", "neighbourhoods", primary_key=True),
    Column("name", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    CheckConstraint("name IN ('streets.osm', 'streets.osm.pbf')", name="name"),
)

base_maps = Table(
    "base_maps",
    metadata,
    owner("neighbourhood_id", "neighbourhoods", primary_key=True),
    # A PMTiles archive; kept uncompressed by the database so that a range of it is read without the rest.
    Column("archive", LargeBinary, nullable=False),
)

calendar_days = Table(
    "calendar_days",
    metadata,
    owner("neighbourhood_id", "neighbourhoods", primary_key=True),
    Column("date", Date, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("holiday", Text, nullable=False, server_default=text("''")),
    Column("notice_id", BigInteger, ForeignKey("calendar_notices.id", ondelete="SET NULL")),
    CheckConstraint("kind IN ('workday', 'rest_day')", name="kind"),
)

facilities = Table(
    "facilities",
    metadata,
    identity(),
    owner("neighbourhood_id", "neighbourhoods"),
    Column("code", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    _geometry("GEOMETRY"),
    Column("max_height_m", Double),
    Column("monthly_price_cents", BigInteger),
    Column("buffer_bays", Integer, nullable=False),
    Column("no_movement_from_min", Integer),
    Column("no_movement_to_min", Integer),
    Column("extra", JSON, nullable=False),
    UniqueConstraint("neighbourhood_id", "code"),
    CheckConstraint(
        "kind IN ('park_garage', 'office_tower', 'public_car_park', 'off_peak_road', 'other')", name="kind"
    ),
    CheckConstraint("buffer_bays >= 0", name="buffer_bays"),
    CheckConstraint("monthly_price_cents >= 0", name="monthly_price_cents"),
    CheckConstraint("max_height_m >= 0", name="max_height_m"),
    # Nobody's where a planner imported it.
    Column("owner_id", BigInteger, ForeignKey("owners.id"), index=True),
    Column("status", Text, nullable=False, server_default=text("'published'")),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("night_price_cents", BigInteger),
    # Days between the word that capacity is taken back and the first night it is missing.
    Column("notice_days", Integer, nullable=False, server_default=text("7")),
    # Openings are complete up to here; nothing is sold beyond.
    Column("materialised_until", DateTime(timezone=True)),
    CheckConstraint("(no_movement_from_min IS NULL) = (no_movement_to_min IS NULL)", name="no_movement"),
    CheckConstraint("status IN ('draft', 'submitted', 'verified', 'published', 'withdrawn')", name="status"),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("night_price_cents >= 0", name="night_price_cents"),
    CheckConstraint("notice_days BETWEEN 0 AND 366", name="notice_days"),
    Index(None, "geometry", postgresql_using="gist"),
)

entrances = Table(
    "entrances",
    metadata,
    owner("facility_id", "facilities", primary_key=True),
    Column("position", Integer, primary_key=True),
    _geometry("POINT"),
)

closures = Table(
    "closures",
    metadata,
    owner("facility_id", "facilities", primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("closed_from", DateTime, nullable=False),
    Column("closed_to", DateTime, nullable=False),
    Column("reason", Text, nullable=False),
    CheckConstraint("closed_from < closed_to", name="order"),
)

bay_groups = Table(
    "bay_groups",
    metadata,
    identity(),
    owner("facility_id", "facilities"),
    Column("code", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    # The id of bay 1 where that of bay n is n - 1 more, for all; kept by a trigger of bays.
    Column("first_bay_id", BigInteger),
    UniqueConstraint("facility_id", "code"),
    CheckConstraint("kinds <@ ARRAY['standard', 'accessible', 'ev', 'large'] AND kinds <> '{}'", name="kinds"),
)

share_windows = Table(
    "share_windows",
    metadata,
    owner("bay_group_id", "bay_groups", primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("days", Text, nullable=False),
    Column("from_min", Integer, nullable=False),
    Column("to_min", Integer, nullable=False),
    Column("bays", Integer, nullable=False),
    Column("last_entry_min", Integer),
    Column("season_from", Text),
    Column("season_to", Text),
    CheckConstraint("0 <= from_min AND from_min < to_min AND to_min <= 2880", name="hours"),
    CheckConstraint("bays >= 0", name="bays"),
    CheckConstraint("(season_from IS NULL) = (season_to IS NULL)", name="season"),
)

bays = Table(
    "bays",
    metadata,
    identity(),
    owner("bay_group_id", "bay_groups"),
    Column("number", Integer, nullable=False),
    # Where it is drawn or was laid along a kerb; bays that were only counted have no place.
    Column("geometry", Geometry("GEOMETRY", srid=4326, spatial_index=False)),
    UniqueConstraint("bay_group_id", "number"),
    CheckConstraint("number > 0", name="number"),
)

homes = Table(
    "homes",
    metadata,
    identity(),
    owner("neighbourhood_id", "neighbourhoods"),
    Column("code", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text),
    Column("estate", Text),
    Column("households", BigInteger),
    _geometry("POINT"),
    UniqueConstraint("neighbourhood_id", "code"),
    CheckConstraint("households >= 0", name="households"),
    Index(None, "geometry", postgresql_using="gist"),
)

demands = Table(
    "demands",
    metadata,
    identity(),
    owner("neighbourhood_id", "neighbourhoods"),
    Column("code", Text, nullable=False),
    Column("position", Integer, nullable=False),
    owner("home_id", "homes", index=True),
    Column("days", Text, nullable=False),
    Column("arrive_min", Integer, nullable=False),
    Column("leave_min", Integer, nullable=False),
    Column("tier", SmallInteger, nullable=False),
    Column("max_walk_m", Double),
    Column("needs", Text, nullable=False),
    Column("height_m", Double),
    Column("stay_through", Boolean, nullable=False),
    Column("rounds_waited", Integer, nullable=False),
    owner("holds_facility_id", "facilities", nullable=True, index=True),
    UniqueConstraint("neighbourhood_id", "code"),
    CheckConstraint("0 <= arrive_min AND arrive_min < leave_min", name="stay"),
    CheckConstraint("tier BETWEEN 1 AND 3", name="tier"),
    CheckConstraint("needs IN ('', 'accessible', 'ev', 'accessible ev')", name="needs"),
    CheckConstraint("rounds_waited >= 0", name="rounds_waited"),
)

decisions = Table(
    "decisions",
    metadata,
    owner("neighbourhood_id", "neighbourhoods", primary_key=True),
    Column("position", Integer, primary_key=True),
    owner("demand_id", "demands", index=True),
    owner("facility_id", "facilities", nullable=True, index=True),
    Column("decision", Text, nullable=False),
    CheckConstraint("decision IN ('lock', 'reject')", name="decision"),
)

walks = Table(
    "walks",
    metadata,
    owner("home_id", "homes", primary_key=True),
    # Not a reference: measured walks may name candidate facilities that nobody has offered yet.
    Column("facility", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("walk_m", Integer, nullable=False),
    CheckConstraint("walk_m >= 0", name="walk_m"),
)

streets = Table(
    "streets",
    metadata,
    identity(),
    owner("neighbourhood_id", "neighbourhoods", index=True),
    Column("class", Text, nullable=False),
    Column("name", Text),
    _geometry("LINESTRING"),
    Index(None, "geometry", postgresql_using="gist"),
)

plans = Table(
    "plans",
    metadata,
    identity(),
    owner("neighbourhood_id", "neighbourhoods", index=True),
    Column("summary", JSON, nullable=False),
    Column("certificate", JSON),
    Column("input_sha256", JSONB, nullable=False),
    Column("version", Text, nullable=False),
    Column("value_m", BigInteger, nullable=False),
    Column("bound_m", BigInteger, nullable=False),
    Column("demands", Integer, nullable=False),
    Column("served", Integer, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("published_at", DateTime(timezone=True)),
    CheckConstraint("value_m <= bound_m", name="bound_m"),
    CheckConstraint("0 <= served AND served <= demands", name="served"),
)

assignments = Table(
    "assignments",
    metadata,
    owner("plan_id", "plans", primary_key=True),
    owner("demand_id", "demands", primary_key=True, index=True),
    owner("bay_group_id", "bay_groups", index=True),
    Column("position", Integer, nullable=False),
    Column("walk_m", Integer, nullable=False),
    Column("days_left_out", ARRAY(Date), nullable=False),
    CheckConstraint("walk_m >= 0", name="walk_m"),
)

unserved = Table(
    "unserved",
    metadata,
    owner("plan_id", "plans", primary_key=True),
    owner("demand_id", "demands", primary_key=True, index=True),
    Column("position", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("options", JSON, nullable=False),
)

bay_values = Table(
    "bay_values",
    metadata,
    owner("plan_id", "plans", primary_key=True),
    owner("bay_group_id", "bay_groups", primary_key=True, index=True),
    Column("position", Integer, nullable=False),
    Column("value_m", BigInteger, nullable=False),
    Column("exact_m", BigInteger),
)
