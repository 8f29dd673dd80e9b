"""Applications as they come in and go out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator
from sqlalchemy import Row

from api.accounts.schemas import NO_ZERO, Incoming
from api.calendars.clock import hours_text, parse_hours
from api.neighbourhoods.words import parse_days, parse_needs
from api.rounds.applications import Wish

DocumentKind = Literal[
    "household_register", "vehicle_licence", "disability_card", "veteran_card", "birth_certificate", "other"
]
_Hours = Annotated[str, Field(min_length=4, max_length=8, pattern=NO_ZERO)]


class ApplicationIn(Incoming):
    """What a household asks for, the same nights for a whole term."""

    days: Annotated[
        str,
        Field(max_length=40, pattern=NO_ZERO, description="`daily`, `workdays`, `rest_days`, or weekdays (`mon tue`)"),
    ] = "daily"
    arrive: Annotated[_Hours, Field(description="Hours of the evening", examples=["18:30"])] = "18:00"
    leave: Annotated[_Hours, Field(description="Beyond 24:00 is the next morning", examples=["31:30"])] = "31:30"
    stay_through: Annotated[
        bool, Field(description="A stay that ends on a rest day runs on to the first workday after")
    ] = False
    max_walk_m: Annotated[int, Field(ge=1, le=100_000)] | None = None
    needs: Annotated[
        str | None, Field(max_length=20, pattern=NO_ZERO, description="`accessible`, `ev` or both; the car's without")
    ] = None
    claimed_tier: Annotated[int, Field(ge=1, le=3, description="1 is the best; holds once a document was seen")] = 3
    no_bay_of_its_own: Annotated[bool, Field(description="The household's word that it has no bay")] = False
    consent: Annotated[bool, Field(description="The household agreed, where a committee worker applies for it")] = False

    @field_validator("days")
    @classmethod
    def _known_days(cls, days: str) -> str:
        return parse_days(days)

    @field_validator("needs")
    @classmethod
    def _known_needs(cls, needs: str | None) -> str | None:
        return None if needs is None else parse_needs(needs)

    @field_validator("arrive", "leave")
    @classmethod
    def _known_hours(cls, hours: str) -> str:
        return hours_text(parse_hours(hours))

    @model_validator(mode="after")
    def _in_order(self) -> ApplicationIn:
        if parse_hours(self.leave) <= parse_hours(self.arrive):
            raise ValueError("leave must come after arrive; write 31:30 for half past seven next morning")
        return self

    def wish(self) -> Wish:
        """Return what the service takes."""
        return Wish(
            days=self.days,
            arrive_min=parse_hours(self.arrive),
            leave_min=parse_hours(self.leave),
            stay_through=self.stay_through,
            max_walk_m=self.max_walk_m,
            needs=self.needs,
            claimed_tier=self.claimed_tier,
            no_bay_of_its_own=self.no_bay_of_its_own,
            consent=self.consent,
        )


class ApplicationEdit(ApplicationIn):
    """An application changed; `version` is the one that was read."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class DocumentIn(Incoming):
    """Which document was seen; it is not kept. `version` is the application's that it was seen for."""

    kind: DocumentKind
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class DocumentOut(BaseModel):
    """A document that was seen, and by which account."""

    kind: DocumentKind
    seen_by: int
    seen_at: datetime


class ApplicationOut(BaseModel):
    """An application, and when its household hears of it next."""

    id: int
    round: int
    round_name: str
    round_state: str
    neighbourhood: str
    state: Literal["submitted", "withdrawn"]
    version: int
    days: str
    arrive: str
    leave: str
    stay_through: bool
    max_walk_m: int | None
    needs: str
    claimed_tier: int
    tier: int = Field(description="What holds: better than 3 only once a document was seen for it")
    rounds_waited: int = Field(description="Rounds without success since the last permit; counted at closing")
    documents: list[DocumentOut]
    consent_noted: bool
    submitted_at: datetime
    changed_at: datetime
    closes_at: datetime
    publishes_at: datetime


class ApplicationList(BaseModel):
    """A household's applications, the newest first."""

    applications: list[ApplicationOut]


class ApplicationPage(BaseModel):
    """Applications of a round, in the order they came."""

    applications: list[ApplicationOut]
    next: int | None = Field(description="Ask for those `after` this one; null at the end")


def application_out(row: Row[Any]) -> ApplicationOut:
    """Show an application."""
    return ApplicationOut(
        id=row.id,
        round=row.round_id,
        round_name=row.round_name,
        round_state=row.round_state,
        neighbourhood=row.neighbourhood,
        state=row.state,
        version=row.version,
        days=row.days,
        arrive=hours_text(row.arrive_min),
        leave=hours_text(row.leave_min),
        stay_through=row.stay_through,
        max_walk_m=row.max_walk_m,
        needs=row.needs,
        claimed_tier=row.claimed_tier,
        tier=row.tier,
        rounds_waited=row.rounds_waited,
        documents=[DocumentOut.model_validate(document) for document in row.documents],
        consent_noted=row.consent_noted,
        submitted_at=row.submitted_at,
        changed_at=row.changed_at,
        closes_at=row.closes_at,
        publishes_at=row.publishes_at,
    )
