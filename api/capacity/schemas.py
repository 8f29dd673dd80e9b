"""Advice as it goes out."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

Basis = Literal["weekday", "day_kind", "not_enough_days"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class WindowOut(BaseModel):
    """Hours to share, by the facility's clock; beyond 24:00 is the next morning."""

    start: str = Field(alias="from", examples=["18:00"])
    end: str = Field(alias="to", examples=["32:00"])


class FaultOut(BaseModel):
    """Rows with one thing wrong, and what was made of them."""

    fault: str
    rows: int
    treatment: str


class RecordOut(BaseModel):
    """What the advice rests on."""

    rows: int
    visits: int
    first: date
    last: date
    whole_days: int = Field(description="Days that the record shows whole; only these count")
    days_left_out: dict[str, int] = Field(
        description="Before steady use, at the edges where cars may be inside unseen, and not recorded"
    )
    most_cars: int
    faults: list[FaultOut]


class HoursOut(BaseModel):
    """A weekday: bays free all through each hour, each hour by itself."""

    weekday: Weekday
    kind: str
    basis: Basis = Field(description="`day_kind`: too few of this weekday, so all days of its kind")
    days: int
    safe: list[int] | None = Field(description="24 numbers; null where the days are not enough for the confidence")


class NightOut(BaseModel):
    """The night of a weekday: bays free all through the share window."""

    weekday: Weekday
    kind: str = Field(description="Of the evening and of the morning after it")
    basis: Basis
    days: int
    safe: int | None


class ScoreOut(BaseModel):
    """How a rule would have done: share of hours (or nights) with as many bays free as it said, and what it wasted."""

    days: int
    coverage: float
    coverage_low: float = Field(description="Ends of a 95 % interval over whole days")
    coverage_high: float
    coverage_worst_hour: float
    offered_bays: float
    unused_bays: float
    drifting: bool = Field(description="The last eight weeks held much less often than they should have")


class ScoresOut(BaseModel):
    """The rule used, beside a rule of thumb."""

    order_statistics: ScoreOut
    mean_minus_2_sigma: ScoreOut


class BackTestOut(BaseModel):
    """Advice from the weeks before, held against the week after; null where nothing could be tested."""

    hours: ScoresOut | None
    nights: ScoresOut | None


class CapacityAdviceOut(BaseModel):
    """How many bays are safe to share."""

    bays: int
    confidence: float
    window: WindowOut
    calendar: str
    record: RecordOut
    hours: list[HoursOut]
    nights: list[NightOut]
    daily: int | None = Field(description="What holds on any night; null where a kind of night is not known")
    back_test: BackTestOut
    warnings: list[str]
