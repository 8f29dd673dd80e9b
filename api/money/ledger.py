"""Acts of money with both their sides: booked once by their reference, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from api.money import queries
from api.money.errors import ReferenceReused
from api.openings.permit_queries import rights_of_worker


@dataclass(frozen=True, slots=True)
class Side:
    """What an act does to one account: a debit above zero, a credit below."""

    account: str
    cents: int = 0
    pseudonym: UUID | None = None
    facility_id: int | None = None
    owner_id: int | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """
    One act of money; its sides add up to nothing.

    Attributes
    ----------
    reference
        Names it for ever, as `permit 12 month 2026-12 fee`.
    """

    reference: str
    kind: str
    sides: tuple[Side, ...]
    permit_id: int | None = None
    stay_id: int | None = None
    receipt: str | None = None

    def __post_init__(self) -> None:
        """Refuse sides that are not equal."""
        if sum(side.cents for side in self.sides) != 0 or not all(side.cents for side in self.sides):
            raise ValueError(f"the sides of `{self.kind}` are not equal, or empty")


def moved(cents: int, *, debit: Side, credit: Side) -> tuple[Side, Side]:
    """Give both sides of so many cents; those that stand in `debit` and `credit` do not count."""
    return replace(debit, cents=cents), replace(credit, cents=-cents)


def book(connection: Connection, acts: Sequence[Act], *, account_id: int | None, now: datetime) -> list[Act]:
    """
    Book acts whose references are new; those that are booked already are left as they are.

    Returns
    -------
    list
        The acts that are new.

    Raises
    ------
    ReferenceReused
        A reference names another act.
    """
    if not acts:
        return []
    with rights_of_worker(connection):
        ids = queries.add_acts(connection, acts, booked_by=account_id, now=now)
        queries.add_sides(connection, [(ids[act.reference], act) for act in acts if act.reference in ids])
        old = [act for act in acts if act.reference not in ids]
        booked = queries.sides_of(connection, [act.reference for act in old])
    for act in old:
        if booked.get(act.reference) != (act.kind, sorted_sides(act.sides)):
            raise ReferenceReused("this reference names another act")
    return [act for act in acts if act.reference in ids]


def sorted_sides(sides: Sequence[Side]) -> list[tuple[str, int, str]]:
    """Give sides as they are compared: account, cents, whose."""
    return sorted(
        (side.account, side.cents, str(side.pseudonym or side.facility_id or side.provider)) for side in sides
    )
