"""Columns that most tables have."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, text


def identity() -> Column[int]:
    """Give the id of a row."""
    return Column("id", BigInteger, Identity(always=False), primary_key=True)


def reference(
    name: str,
    table: str,
    *,
    cascade: bool = False,
    nullable: bool = False,
    primary_key: bool = False,
    index: bool | None = None,
) -> Column[int]:
    """Name a row of another table; with `cascade` this row goes with that one."""
    key = ForeignKey(f"{table}.id", ondelete="CASCADE" if cascade else None)
    return Column(name, BigInteger, key, nullable=nullable, primary_key=primary_key, index=index)


def owner(
    name: str, table: str, *, nullable: bool = False, primary_key: bool = False, index: bool | None = None
) -> Column[int]:
    """Name the row that this one is a part of and goes with."""
    return reference(name, table, cascade=True, nullable=nullable, primary_key=primary_key, index=index)


def moment(name: str, *, nullable: bool = True) -> Column[datetime]:
    """Tell when something happened, which is written down with it."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def moment_made(name: str = "created_at") -> Column[datetime]:
    """Tell when a row was made."""
    return Column(name, DateTime(timezone=True), nullable=False, server_default=text("now()"))
