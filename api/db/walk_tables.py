"""How far homes are from facilities on foot, known before anybody asks, and what new addresses are measured by."""

from __future__ import annotations

from geoalchemy2 import Geometry
from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Table

from api.db.columns import owner
from api.db.tables import metadata

walk_pairs = Table(
    "walk_pairs",
    metadata,
    # Facility first: the key then also serves the removal of a facility, and homes have an index of their own.
    owner("facility_id", "facilities", primary_key=True),
    owner("home_id", "homes", primary_key=True),
    # True walking metres; what is farther than anybody walks is not kept.
    Column("walk_m", Integer, nullable=False),
    CheckConstraint("walk_m >= 0", name="walk_m"),
    Index(None, "home_id", "walk_m", "facility_id"),
)

walk_edges = Table(
    "walk_edges",
    metadata,
    owner("neighbourhood_id", "neighbourhoods", primary_key=True),
    Column("position", Integer, primary_key=True),
    # Numbers of crossings within the neighbourhood: where two edges have the same one, they meet.
    Column("from_node", Integer, nullable=False),
    Column("to_node", Integer, nullable=False),
    # A bit of street that nobody has joined to the rest of the map; see `geo.snap`.
    Column("on_island", Boolean, nullable=False),
    Column("geometry", Geometry("LINESTRING", srid=4326, spatial_index=False), nullable=False),
    Index(None, "geometry", postgresql_using="gist"),
)

walk_doors = Table(
    "walk_doors",
    metadata,
    owner("facility_id", "facilities", primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("geometry", Geometry("GEOMETRY", srid=4326, spatial_index=False), nullable=False),
    Index(None, "geometry", postgresql_using="gist"),
)
