"""Rounds as they come in and go out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import Row

from api.accounts.keys import Keys
from api.accounts.schemas import NO_ZERO, Incoming
from api.accounts.sealing import SealBroken
from api.rounds.service import RoundDraft, secret_of

_MOST_METRES = 1_000_000
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Metres = Annotated[int, Field(ge=0, le=_MOST_METRES)]
State = Literal["draft", "open", "closed", "allocating", "in_review", "published", "active", "ended", "cancelled"]


class PolicyIn(Incoming):
    """What a round is worth to whom, in metres; what is left out is as the neighbourhood has it."""

    tier_value_m: tuple[Metres, Metres, Metres] | None = None
    waiting_value_m: Metres | None = None
    keep_value_m: Metres | None = None
    max_walk_m: Annotated[int, Field(ge=1, le=100_000)] | None = None


class WorkIn(Incoming):
    """When to stop refining: never by the clock, so that everybody who computes again gets the same plan."""

    gap: Annotated[
        float, Field(ge=0, le=1, allow_inf_nan=False, description="Stop at this (bound - value) / value")
    ] = 0.0


class RoundIn(Incoming):
    """A round as a planner drafts it."""

    name: Annotated[str, Field(min_length=1, max_length=120, pattern=NO_ZERO, examples=["Winter 2026"])]
    opens_at: AwareDatetime
    closes_at: AwareDatetime
    publishes_at: AwareDatetime
    first: Annotated[date, Field(description="First evening of the term")]
    last: Annotated[date, Field(description="Last evening of the term")]
    number_source: Annotated[
        str,
        Field(
            min_length=1,
            max_length=300,
            pattern=NO_ZERO,
            description="A public number that will be drawn after closing, named so that everybody can look it up",
            examples=["Shanghai Composite index, close of 2026-12-01"],
        ),
    ]
    facilities: Annotated[tuple[Id, ...], Field(max_length=5000, description="All that is published without")] = ()
    policy: PolicyIn = PolicyIn()
    work: WorkIn = WorkIn()
    deposit_cents: Annotated[
        int, Field(ge=0, le=100_000_000, description="Left with us while a permit is in force; see docs/money.md")
    ] = 0
    provisional_acknowledged: Annotated[
        bool, Field(description="The term reaches into days whose holidays nobody has decided yet, and that is meant")
    ] = False

    def draft(self) -> RoundDraft:
        """Return what the service takes."""
        return RoundDraft(
            name=self.name,
            opens_at=self.opens_at,
            closes_at=self.closes_at,
            publishes_at=self.publishes_at,
            first=self.first,
            last=self.last,
            number_source=self.number_source,
            facilities=self.facilities,
            policy=self.policy.model_dump(exclude_none=True, mode="json"),
            work=self.work.model_dump(exclude_none=True),
            provisional_acknowledged=self.provisional_acknowledged,
            deposit_cents=self.deposit_cents,
        )


class RoundEdit(RoundIn):
    """A draft changed; `version` is the one that was read."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class PublicNumberIn(Incoming):
    """The number that was drawn, as the source writes it."""

    number: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_ZERO, examples=["3894.21"])]


class CancellationIn(Incoming):
    """Why a round is called off; its applicants read it."""

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_ZERO)]


class DelayIn(Incoming):
    """When a late round is published instead, and why; everybody reads it."""

    publishes_at: AwareDatetime
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_ZERO)]


class DelayOut(BaseModel):
    """A day of publication that was put off."""

    was: datetime
    publishes_at: datetime
    reason: str
    decided_at: datetime


class RoundOut(BaseModel):
    """A round: what everybody may know of it."""

    id: int
    neighbourhood: str
    name: str
    state: State
    version: int
    opens_at: datetime
    closes_at: datetime
    publishes_at: datetime
    timezone: str
    first: date
    last: date
    facilities: list[int]
    policy: dict[str, Any]
    deposit_cents: int
    number_source: str
    commitment: str | None = Field(description="SHA-256 of the secret, hexadecimal; from opening on")
    public_number: str | None
    secret: str | None = Field(description="The secret, hexadecimal; once the public number is known")
    secret_lost: bool = Field(description="It was sealed with another secret key than the service has now")
    seed: int | None = Field(description="63 bits of SHA-256(secret, a zero byte, the number as text)")
    plan: int | None = Field(description="The published plan")
    published_at: datetime | None
    delays: list[DelayOut] = Field(description="Days of publication that were put off, the first one first")


class RoundList(BaseModel):
    """Rounds of a neighbourhood, the newest first."""

    rounds: list[RoundOut]


def shown_round(keys: Keys, row: Row[Any]) -> RoundOut:
    """Show a round with its secret once that is public; one that cannot be opened any more is said to be lost."""
    try:
        return round_out(row, secret=secret_of(keys, row))
    except SealBroken:
        return round_out(row, secret=None, secret_lost=True)


def round_out(row: Row[Any], *, secret: bytes | None, secret_lost: bool = False) -> RoundOut:
    """Show a round."""
    return RoundOut(
        id=row.id,
        neighbourhood=row.neighbourhood,
        name=row.name,
        state=row.state,
        version=row.version,
        opens_at=row.opens_at,
        closes_at=row.closes_at,
        publishes_at=row.publishes_at,
        timezone=row.timezone,
        first=row.first,
        last=row.last,
        facilities=list(row.facilities),
        policy=row.policy,
        deposit_cents=row.deposit_cents,
        number_source=row.number_source,
        commitment=None if row.commitment is None else bytes(row.commitment).hex(),
        public_number=row.public_number,
        secret=None if secret is None else secret.hex(),
        secret_lost=secret_lost,
        seed=row.seed,
        plan=row.plan_id if row.published_at is not None else None,
        published_at=row.published_at,
        delays=[DelayOut.model_validate(delay) for delay in row.delays],
    )
