"""Cars that should be gone: reminded before, shown to the owner after, counted for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from api.accounts.keys import Keys
from api.gates.lateness import late_exits
from api.notices.service import NewNotice, tell
from api.openings.permit_queries import rights_of_worker
from api.overstays import strike_queries as queries
from api.overstays.buffering import STEPS_MIN
from api.overstays.policy import DEFAULT, Policy, policy_from
from api.overstays.striking import REVIEWED_WITHIN, read_places
from api.vehicles.plates import open_plate

_MOST_REMINDING = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class LateCar:
    """
    A car that stands there though its night and the grace are over.

    `to_review`: for more than a day by the gate's record, which may have missed that it left and came again; nobody is
    struck for that before people have looked, and whoever is struck is in the list no more.
    """

    stay_id: int
    plate: str
    bay: str
    leave_by: datetime
    late_min: int
    to_review: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """
    How a neighbourhood's cars left: `cars` seen, `late` of them beyond the grace, and how long late ones stayed.

    `strikes` has (consequence, strikes, lifted, appeals).
    """

    cars: int
    late: int
    mean_late_min: float | None
    strikes: tuple[tuple[str, int, int, int], ...]

    @property
    def overstay_rate(self) -> float | None:
        """Share of cars beyond the grace; None without any."""
        return self.late / self.cars if self.cars else None


def remind_permit_holders(connection: Connection, *, now: datetime) -> int:
    """
    Remind the holders of permits whose night ends soon and whose car is still there, once a night.

    Where a place has no gate nobody can tell, and all are reminded. Whoever stays on at the same place need not leave.
    """
    with rights_of_worker(connection):
        rows = queries.list_leaving(connection, remind_min=DEFAULT.remind_min, most=_MOST_REMINDING, now=now)
        told = [
            NewNotice(
                household_id=row.household_id,
                kind="leave_soon",
                stay_id=row.id,
                facts={
                    "facility": row.facility_id,
                    "from": row.starts_at.isoformat(),
                    "to": row.ends_at.isoformat(),
                    "next_date": row.ends_at.isoformat(),
                },
            )
            for row in rows
        ]
        return tell(connection, told, now=now)


def list_late_cars(connection: Connection, keys: Keys, facility_id: int, *, now: datetime) -> list[LateCar]:
    """
    List the cars of this night that are still at a facility, and those of two weeks that are to be reviewed.

    The caller may see the gate's record.
    """
    with rights_of_worker(connection):
        grace = read_places(connection, [facility_id])[facility_id].policy.grace
        found = [
            one
            for one in late_exits(connection, since=now - REVIEWED_WITHIN, until=now)
            if one.facility_id == facility_id
            and (one.is_unclear(now) or (one.late_until is None and now > one.leave_by + grace))
        ]
        struck = queries.struck_stays(connection, [one.stay_id for one in found])
    cars = []
    for one in found:
        if one.is_unclear(now) and one.stay_id in struck:
            continue
        seen = queries.find_standing(connection, one.gate_session_id, stay_id=one.stay_id, facility_id=facility_id)
        if seen is not None:
            plate = open_plate(keys, bytes(seen.plate_sealed))
            minutes = int(((one.late_until or now) - one.leave_by) / timedelta(minutes=1))
            bay = f"{seen.bay_group} {seen.number}"
            cars.append(LateCar(one.stay_id, plate, bay, one.leave_by, minutes, to_review=one.is_unclear(now)))
    return cars


def policy_of(connection: Connection, neighbourhood_id: int) -> Policy:
    """Return the rules of a neighbourhood."""
    own = queries.find_policy(connection, neighbourhood_id)
    return DEFAULT if own is None else policy_from(own)


def overstay_figures(connection: Connection, neighbourhood_id: int, *, first: date, last: date) -> Figures:
    """
    Work out the overstay rate and minutes of some mornings, from `first` to `last`, both included.

    Beyond the grace means at the last step of the record that lies within it: at most 15 minutes earlier.
    """
    with rights_of_worker(connection):
        grace_min = policy_of(connection, neighbourhood_id).grace_min
        step = sum(minutes <= grace_min for minutes in STEPS_MIN)
        counts = queries.count_late(connection, neighbourhood_id, first=first, last=last, step=step)
        strikes = queries.count_strikes(connection, neighbourhood_id, first=first, last=last)
    return Figures(
        cars=int(counts.cars),
        late=int(counts.late),
        mean_late_min=float(counts.late_min / counts.any_late) if counts.any_late else None,
        strikes=tuple((row.act, row.strikes, row.lifted, row.appeals) for row in strikes),
    )
