"""What households are told of a withdrawal: one notice a permit, with the new place or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from api.calendars.clock import date_of
from api.notices.service import NewNotice
from api.reaccommodation.finding import Fate, Rehousing, dates_of
from api.reaccommodation.stays import MovedStay

_MOST_NAMED = 60
_A_DAY = timedelta(days=1)
_KINDS = {
    "moved": "permit_moved",
    "elsewhere": "permit_moved",
    "nights_left_out": "permit_changed",
    "ended": "permit_ended",
    "offer_withdrawn": "offer_withdrawn",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """The withdrawal that notices tell of."""

    withdrawal_id: int
    facility_id: int
    reason: str
    urgency: str
    effective_from: datetime

    def facts(self) -> dict[str, Any]:
        """Return what every notice of it says."""
        return {
            "facility": self.facility_id,
            "withdrawal": self.withdrawal_id,
            "reason": self.reason,
            "urgency": self.urgency,
            "effective_from": self.effective_from.isoformat(),
        }


def notices_of(found: Rehousing, made: Mapping[int, int], moved: Sequence[MovedStay], cause: Cause) -> list[NewNotice]:
    """Write the notices: of permits and offers, then of bookings and of nights of permits that keep their right."""
    hit = {fate.hit.holding.permit_id for fate in found.fates}
    nights: dict[int, list[MovedStay]] = {}
    for stay in moved:
        if stay.old.kind == "permit":
            nights.setdefault(stay.old.permit_id, []).append(stay)
    told = [
        _of_permit(fate, made, nights.get(fate.hit.holding.permit_id, ()), cause, today=found.today)
        for fate in found.fates
    ]
    others = [stay for permit, stays in nights.items() if permit not in hit for stay in stays]
    return told + [notice_of_stay(stay, cause) for stay in (*(s for s in moved if s.old.kind == "booking"), *others)]


def notices_of_bays(
    found: Rehousing, moved: Sequence[MovedStay], placed: Sequence[Row[Any]], cause: Cause
) -> list[NewNotice]:
    """Tell of nights that are on another bay of their own bay group now, all of a permit in one notice."""
    told = {stay.old.id for stay in moved}
    hit = {fate.hit.holding.permit_id for fate in found.fates}
    nights: dict[tuple[int, int], list[date]] = {}
    for row in placed:
        if row.kind == "permit" and row.id not in told and row.permit_id not in hit:
            nights.setdefault((row.household_id, row.permit_id), []).append(row.night)
    return [
        NewNotice(
            household,
            "permit_changed",
            {
                **cause.facts(),
                "permit": permit,
                "other_bay_on": _texts(sorted(dates)),
                "next_date": min(dates).isoformat(),
            },
        )
        for (household, permit), dates in nights.items()
    ]


def _of_permit(
    fate: Fate, made: Mapping[int, int], nights: Sequence[MovedStay], cause: Cause, *, today: date
) -> NewNotice:
    holding, move = fate.hit.holding, fate.move
    lost = dates_of(fate.hit.lost.days)
    facts = {
        **cause.facts(),
        "permit": made.get(holding.permit_id, holding.permit_id),
        "first": lost[0].isoformat(),
        "last": lost[-1].isoformat(),
        "nights": len(lost),
        "walk_before_m": holding.walk_m,
        "next_date": _next_date(fate, lost, today=today),
    }
    if move is not None:
        facts |= {"new_facility": move.place.facility_id, "walk_m": move.walk_m, "for_good": fate.hit.for_good}
    if fate.num_left_out:
        kept = set(fate.evenings.tolist())
        left = [day for day in fate.hit.lost.days.tolist() if day not in kept]
        facts |= {"nights_without_bay": len(left), "dates_without_bay": _texts([date_of(day) for day in left])}
    if holding.is_offer:
        facts["offer"] = holding.permit.offer_id
    placed = [stay for stay in nights if stay.new_id is not None]
    if placed:
        facts["single_nights"] = [
            {"night": stay.old.night.isoformat(), "facility": stay.facility_id, "walk_m": stay.walk_m}
            for stay in placed
        ]
    standing = [stay for stay in nights if stay.leave_by is not None]
    if standing:
        facts["leave_by"] = [
            {"night": stay.old.night.isoformat(), "to": stay.leave_by.isoformat()} for stay in standing if stay.leave_by
        ]
    return NewNotice(holding.permit.household_id, _KINDS[fate.outcome], facts)


def _next_date(fate: Fate, lost: Sequence[date], *, today: date) -> str:
    """
    Return the first evening at the new place, or the first without one, or the first at the old place again.

    It is never over: whoever has to leave in the night is told of the evening to come.
    """
    evenings = lost if fate.move is None else dates_of(fate.evenings)
    if fate.outcome == "nights_left_out":
        evenings = [day for day in dates_of(fate.hit.holding.pattern.days) if day > lost[-1]] or [lost[-1] + _A_DAY]
    return next((day for day in evenings if day >= today), today).isoformat()


def _texts(dates: Sequence[date]) -> list[str]:
    return [day.isoformat() for day in dates[:_MOST_NAMED]]


def notice_of_stay(stay: MovedStay, cause: Cause) -> NewNotice:
    """Write the notice of a booking, or of one night of a permit."""
    facts = {
        **cause.facts(),
        "from": stay.old.starts_at.isoformat(),
        "to": stay.old.ends_at.isoformat(),
        "next_date": stay.old.starts_at.isoformat(),
    }
    if stay.new_id is not None:
        facts |= {"new_stay": stay.new_id, "new_facility": stay.facility_id, "walk_m": stay.walk_m}
    elif stay.lost_cents is not None and (stay.lost_cents or stay.leave_by is None):
        facts["refund_cents"] = stay.lost_cents
    if stay.leave_by is not None:
        facts |= {"leave_by": stay.leave_by.isoformat(), "next_date": stay.leave_by.isoformat()}
    return NewNotice(stay.old.household_id, "stay_withdrawn", facts, stay_id=stay.old.id)
