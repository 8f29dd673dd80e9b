"""Another car of a household: its permit and its place on the waitlist follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row

from api.errors import TellsWhy
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.permits import queries
from api.waitlist.fitting import fits_under
from api.waitlist.following import follow
from api.waitlist.widening import widen

_WAY_OUT = {
    "permit": "give the permit there up",
    "offer": "decline the offer there",
    "booking": "cancel the booking there",
}


class CarDoesNotFit(TellsWhy):
    """The household has a place that its car does not fit, and has to let it go first."""


def require_car_fits(
    connection: Connection, household_id: int, *, height_m: float | None, needs: str, now: datetime
) -> None:
    """
    Refuse another car, or another description of the one there is, that does not fit where the household has a place.

    Heights that nobody knows are no hindrance, nor is what was so before. Whether a plate stands for somebody else
    makes no difference: the answer tells nothing of that.

    Parameters
    ----------
    height_m, needs
        Of the car to be: metres, and kinds of bays, divided by blanks.

    Raises
    ------
    CarDoesNotFit
        It is too high for the place of a permit, an offer or a booking, or needs what its bays are not and the former
        car did not need.
    """
    with rights_of_worker(connection):
        places = queries.list_places(connection, household_id, now=now)
    for place in places:
        if height_m != place.height_m and not fits_under(height_m, place.max_height_m):
            raise CarDoesNotFit(f"{_too_high(place, height_m)}: {_WAY_OUT[place.what]} first")
        missing = [need for need in needs.split() if need not in place.needs.split() and need not in place.kinds]
        if missing:
            raise CarDoesNotFit(
                f"{_not_as_needed(place, missing)}: {_WAY_OUT[place.what]} first, or register the car without that need"
            )


def require_offer_fits(connection: Connection, household_id: int, permit_id: int) -> None:
    """Raise CarDoesNotFit where a household's car came not to fit a place while an offer of it was made."""
    place = queries.get_place(connection, household_id, permit_id)
    if place is None:
        return
    if not fits_under(place.height_m, place.max_height_m):
        raise CarDoesNotFit(f"{_too_high(place, place.height_m)}: decline the offer, or correct the car's height")
    if place.missing:
        raise CarDoesNotFit(
            f"{_not_as_needed(place, place.missing)}: decline the offer, or register the car without that need"
        )


def wait_for_new_cars(
    connection: Connection, *, household_ids: Sequence[int] | None = None, round_id: int | None = None, now: datetime
) -> set[int]:
    """
    Let applications that wait be for the car that their household has registered; return what would do beside.

    Of some households, or of one round; of all with neither. What would do for the former car stays, and is not offered
    while the new one does not fit. The caller lets those who are first `follow` in the bay groups returned.
    """
    with rights_of_worker(connection):
        changed = queries.follow_waiting_cars(connection, household_ids=household_ids, round_id=round_id)
        return widen(connection, application_ids=changed, now=now)


def _too_high(place: Row[Any], height_m: float | None) -> str:
    return f"{place.name} is for cars up to {place.max_height_m:g} m and this one is {height_m:g} m high"


def _not_as_needed(place: Row[Any], missing: Sequence[str]) -> str:
    return f"The bays at {place.name} are not what this car needs ({', '.join(missing)})"


def follow_cars(connection: Connection, *, household_ids: Sequence[int] | None = None, now: datetime) -> int:
    """
    Let permits be for the car that their household has registered; of some households, or of all.

    Whoever has another plate is told. One car at a time: gates know a household by the one car it has registered. A
    household without any keeps its permit for the former one, and so does one whose place the new car does not fit. Who
    waits is offered a bay for the new car.

    Returns
    -------
    int
        How many permits changed.
    """
    with rights_of_worker(connection):
        groups = wait_for_new_cars(connection, household_ids=household_ids, now=now)
        if groups:
            follow(connection, sorted(groups), now=now)
        changed = queries.follow_cars(connection, household_ids)
        tonight = queries.under_way(connection, [permit.id for permit in changed], now=now)
        notices = []
        for permit in changed:
            if not permit.has_other_plate:
                continue
            today = now.astimezone(ZoneInfo(permit.timezone)).date()
            facts = {
                "permit": permit.id,
                "facility": permit.facility_id,
                "what": "vehicle",
                "next_date": (today + timedelta(days=permit.id in tonight)).isoformat(),
            }
            notices.append(NewNotice(household_id=permit.household_id, kind="permit_changed", facts=facts))
        tell(connection, notices, now=now)
    return len(changed)
