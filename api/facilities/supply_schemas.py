"""Drafts, history, withdrawals and imports as the service shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Row

from api.facilities.bulk_import import Imported
from api.facilities.consequences import Consequences

# What people write: no zero characters, which cannot be stored.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class DraftOut(BaseModel):
    """A draft; `version` is its ETag, and what the next change of it begins from."""

    facility: int
    neighbourhood: str
    owner: int | None
    status: Literal["draft", "submitted"]
    version: int
    base_version: int | None
    """The published version it was begun from; none for a new facility."""
    created_at: datetime
    changed_at: datetime
    feature: dict[str, Any]


class DraftPage(BaseModel):
    """Drafts that the account may see, by facility."""

    drafts: list[DraftOut]
    next: int | None


class ReturnIn(BaseModel):
    """Why a draft goes back to its owner."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason


class PublicationIn(BaseModel):
    """What a planner says on publishing; `token` confirms whom it hits, where it takes capacity back."""

    model_config = ConfigDict(extra="forbid")
    token: str = Field(default="", max_length=64)
    reason: str = Field(default="", max_length=500, pattern=r"^[^\x00]*$")


class PublicationOut(BaseModel):
    """What is published now, bookable at once."""

    facility: int
    version: int
    withdrawal: int | None
    """The withdrawal that tells those whose stays it ended, if there were any."""


class HistoryEntry(BaseModel):
    """One change of a facility; the account is a number that stays when its owner is gone."""

    id: int
    version: int
    act: str
    changed_at: datetime
    changed_by: int | None
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class HistoryPage(BaseModel):
    """Changes of a facility, the newest first."""

    facility: int
    history: list[HistoryEntry]
    next: int | None


class _Taking(BaseModel):
    model_config = ConfigDict(extra="forbid")
    urgency: Literal["planned", "emergency"] = "planned"
    """Planned ones begin after the facility's notice period, emergencies at once."""
    reason: Reason
    from_: datetime | None = Field(default=None, alias="from")
    """Local time, or an instant with offset; by default at noon after the notice period, or now in an emergency."""


class WithdrawalOfFacility(_Taking):
    """All of it, for good."""

    kind: Literal["facility"]


class WithdrawalForAWhile(_Taking):
    """All of it, until `to`."""

    kind: Literal["closure"]
    to: datetime


class WithdrawalOfBays(_Taking):
    """All but so many bays of a group, for good."""

    kind: Literal["bays"]
    bay_group: Word
    bays: int = Field(ge=0, le=100_000)


WithdrawalIn = Annotated[WithdrawalOfFacility | WithdrawalForAWhile | WithdrawalOfBays, Field(discriminator="kind")]


class ConfirmedWithdrawal(BaseModel):
    """A withdrawal with the token of the preview that was seen."""

    model_config = ConfigDict(extra="forbid")
    withdrawal: WithdrawalIn
    token: str = Field(min_length=1, max_length=64)


class TierOut(BaseModel):
    """Permits and offers of a tier: those hit, and those with another place."""

    hit: int
    moved: int


class ConsequencesOut(BaseModel):
    """Whom a change hits: numbers, never names. `token` confirms exactly this."""

    stays: int
    bookings: int
    permits: int
    households: int
    moved: int = Field(description="Permits with another place, for good or for the nights they lose")
    not_moved: int = Field(description="Permits and offers for which there is no other place")
    by_tier: dict[str, TierOut]
    extra_walk_m: int | None = Field(description="Mean of what those who move walk more than before")
    bookings_movable: int = Field(description="Bookings for which a bay is free nearby at the same times")
    effective_from: datetime
    token: str


class HitOut(BaseModel):
    """Why a change was not made, as a problem (RFC 9457), and whom it would hit as things are now."""

    type: str
    title: str
    status: int
    detail: str
    consequences: ConsequencesOut


class WithdrawalOut(BaseModel):
    """A withdrawal that was confirmed."""

    id: int
    version: int
    change: dict[str, Any]
    urgency: str
    reason: str
    effective_from: datetime
    confirmed_at: datetime
    stays: int
    permits: int
    households: int
    moved: int = Field(description="Permits with another place, for good or for the nights they lose")
    not_moved: int = Field(description="Permits and offers for which there was no other place")
    stays_moved: int = Field(description="Bookings and single nights with another bay at the same times")
    by_tier: dict[str, TierOut] | None
    extra_walk_m: int | None
    called_off_at: datetime | None


class WithdrawalList(BaseModel):
    """Withdrawals of a facility, the newest first."""

    facility: int
    number: int = Field(description="Of those that were not called off, among those listed")
    notice_days: float | None = Field(description="Mean of the planned ones, from the confirmation to the beginning")
    withdrawals: list[WithdrawalOut]


class ImportOut(BaseModel):
    """What a file holds, and the drafts or facilities made of it."""

    dry_run: bool
    published: bool
    facilities: int
    bays: int
    warnings: list[str]
    ids: list[int]


class FaultOut(BaseModel):
    """A fault of a file."""

    line: int
    field: str
    what: str


class WaitingImportOut(BaseModel):
    """An import that a worker stores; all of it or nothing."""

    id: int
    state: Literal["queued", "done", "failed"]
    published: bool
    ids: list[int] = Field(description="Of the drafts or facilities that were made")
    said: str | None = Field(description="Why it failed, in one sentence")
    errors: list[FaultOut]
    created_at: datetime
    ended_at: datetime | None


def waiting_import_out(row: Row[Any]) -> WaitingImportOut:
    """Show an import that waits or has ended."""
    outcome = row.outcome or {}
    return WaitingImportOut(
        id=row.id,
        state=row.state,
        published=row.publish and row.state == "done",
        ids=outcome.get("ids", []),
        said=outcome.get("said"),
        errors=[FaultOut(**fault) for fault in outcome.get("errors", [])],
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def draft_out(row: Row[Any]) -> DraftOut:
    """Show a draft."""
    return DraftOut(
        facility=row.facility_id,
        neighbourhood=row.slug,
        owner=row.owner_id,
        status=row.status,
        version=row.version,
        base_version=row.base_version,
        created_at=row.created_at,
        changed_at=row.changed_at,
        feature=row.feature,
    )


def consequences_out(found: Consequences) -> ConsequencesOut:
    """Show whom a change hits."""
    return ConsequencesOut.model_validate(found, from_attributes=True)


def history_entry(row: Row[Any]) -> HistoryEntry:
    """Show a change."""
    return HistoryEntry.model_validate(row, from_attributes=True)


def withdrawal_out(row: Row[Any]) -> WithdrawalOut:
    """Show a withdrawal."""
    return WithdrawalOut.model_validate(row, from_attributes=True)


def withdrawal_list(facility_id: int, rows: Sequence[Row[Any]]) -> WithdrawalList:
    """Show the withdrawals of a facility, with how many there were and how early they were told."""
    kept = [row for row in rows if row.called_off_at is None]
    notices = [row.effective_from - row.confirmed_at for row in kept if row.urgency == "planned"]
    days = [notice.total_seconds() / 86_400 for notice in notices]
    return WithdrawalList(
        facility=facility_id,
        number=len(kept),
        notice_days=round(sum(days) / len(days), 1) if days else None,
        withdrawals=[withdrawal_out(row) for row in rows],
    )


def import_out(imported: Imported, *, dry_run: bool, published: bool) -> ImportOut:
    """Show what an import made."""
    return ImportOut(
        dry_run=dry_run,
        published=published,
        facilities=imported.facilities,
        bays=imported.bays,
        warnings=list(imported.warnings),
        ids=list(imported.ids),
    )
