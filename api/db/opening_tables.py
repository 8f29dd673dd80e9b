"""When bays can be booked, worked out from windows, seasons, closures and buffers over the days that are sold."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Identity, Index, Integer, Table, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, TSTZRANGE, ExcludeConstraint

from api.db.tables import metadata

openings = Table(
    "openings",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("facility_id", BigInteger, ForeignKey("facilities.id", ondelete="CASCADE"), nullable=False),
    Column("bay_group_id", BigInteger, ForeignKey("bay_groups.id", ondelete="CASCADE"), nullable=False),
    # Bays of the group by their numbers, first and last included, which can be booked during the whole of `during`.
    Column("first_number", Integer, nullable=False),
    Column("last_number", Integer, nullable=False),
    Column("during", TSTZRANGE, nullable=False),
    # Moments at which a stay may begin, and at which it may end.
    Column("starts", TSTZMULTIRANGE, nullable=False),
    Column("ends", TSTZMULTIRANGE, nullable=False),
    CheckConstraint("0 < first_number AND first_number <= last_number", name="numbers"),
    CheckConstraint(
        "NOT isempty(during) AND lower_inc(during) AND NOT upper_inc(during)"
        " AND NOT lower_inf(during) AND NOT upper_inf(during)",
        name="during",
    ),
    CheckConstraint("starts <@ during", name="starts"),
    CheckConstraint("ends <@ tstzrange(lower(during), upper(during), '[]')", name="ends"),
    ExcludeConstraint(
        ("bay_group_id", "="),
        (text("int4range(first_number, last_number, '[]')"), "&&"),
        ("during", "&&"),
        using="gist",
        name="openings_bay_group_id_numbers_during_excl",
    ),
    Index(None, "facility_id", "during", postgresql_using="gist"),
)
