"""Fees, deposits and refunds, in a ledger of two sides."""

from __future__ import annotations

from sqlalchemy import (
    UUID,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from api.db.columns import identity
from api.db.tables import metadata

pseudonyms = Table(
    "pseudonyms",
    metadata,
    Column(
        "household_id",
        BigInteger,
        ForeignKey("households.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("pseudonym", UUID, nullable=False, server_default=text("gen_random_uuid()")),
    UniqueConstraint("pseudonym"),
)

journal = Table(
    "journal",
    metadata,
    identity(),
    Column("reference", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entries", SmallInteger, nullable=False),
    Column("permit_id", BigInteger, index=True),
    Column("stay_id", BigInteger, index=True),
    Column("receipt", Text),
    Column("booked_at", DateTime(timezone=True), nullable=False),
    Column("booked_by", BigInteger),
    UniqueConstraint("reference"),
    CheckConstraint(
        "kind IN ('fee', 'booking', 'deposit', 'deposit_return', 'refund', 'payment', 'owed', 'payout')", name="kind"
    ),
    CheckConstraint("reference <> ''", name="reference"),
    CheckConstraint("entries >= 2", name="entries"),
    CheckConstraint("(receipt IS NOT NULL) = (kind IN ('payment', 'payout'))", name="receipt"),
)

journal_entries = Table(
    "journal_entries",
    metadata,
    Column("journal_id", BigInteger, ForeignKey("journal.id"), primary_key=True),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),
    Column("account", Text, nullable=False),
    Column("pseudonym", UUID, index=True),
    Column("facility_id", BigInteger, index=True),
    Column("owner_id", BigInteger),
    Column("provider", Text),
    Column("cents", BigInteger, nullable=False),
    CheckConstraint("account IN ('receivable', 'deposits', 'refunds_payable', 'fees', 'cash')", name="account"),
    CheckConstraint(
        "(account IN ('receivable', 'deposits', 'refunds_payable')) = (pseudonym IS NOT NULL)", name="pseudonym"
    ),
    CheckConstraint("(account = 'fees') = (facility_id IS NOT NULL)", name="facility_id"),
    CheckConstraint("owner_id IS NULL OR account = 'fees'", name="owner_id"),
    CheckConstraint("(account = 'cash') = (provider IS NOT NULL)", name="provider"),
    CheckConstraint("cents <> 0", name="cents"),
)

settled_permits = Table(
    "settled_permits",
    metadata,
    Column("permit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("settled_at", DateTime(timezone=True), nullable=False),
)

payment_requests = Table(
    "payment_requests",
    metadata,
    Column("code", Text, primary_key=True),
    Column("pseudonym", UUID, nullable=False, index=True),
    Column("provider", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("cents", BigInteger, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("direction IN ('in', 'out')", name="direction"),
    CheckConstraint("cents > 0", name="cents"),
)
