"""What gates see in a season: cars come in the evening, most leave in time, some late, a few are misread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Row, text

from api.accounts.secrets import hash_secret, new_secret
from api.gates.events import SeenEvent, record_events
from api.gates.queries import add_device
from api.simulation.people import Person
from api.simulation.season import Season

_ENDING = text(
    """
    SELECT s.id, s.household_id, g.facility_id, lower(s.during) AS starts_at, upper(s.during) AS ends_at
    FROM stays s JOIN bays b ON b.id = s.bay_id JOIN bay_groups g ON g.id = b.bay_group_id
    WHERE s.state = 'confirmed' AND upper(s.during) > :since AND upper(s.during) <= :until ORDER BY s.id
    """
)
_MISREAD = 0.004
"""Chance that a digit of a plate is read as another."""
_LOOKED_BACK = timedelta(days=1)
_MEAN_LATE_MIN = 26.0


def set_up_gates(season: Season) -> None:
    """Put a gate device at every facility but roads."""
    with season.engine.begin() as connection:
        places = list(connection.scalars(text("SELECT id FROM facilities WHERE kind <> 'off_peak_road' ORDER BY id")))
    for facility_id in places:
        with season.acting(season.planner) as connection:
            device = add_device(connection, facility_id, label="gate", key_hash=hash_secret(new_secret("gate_device")))
        season.gates[facility_id] = device.id


def see_the_night(season: Season, people: Mapping[int, Person]) -> None:
    """Report the entries and exits of the stays that ended within a day, one batch a gate, as it would."""
    with season.engine.begin() as connection:
        ended = connection.execute(_ENDING, {"since": season.now - _LOOKED_BACK, "until": season.now}).all()
    at_gates: dict[int, list[SeenEvent]] = defaultdict(list)
    for stay in ended:
        if stay.facility_id not in season.gates:
            continue
        at_gates[stay.facility_id] += _seen(season, stay, people[stay.household_id])
    for facility_id, events in sorted(at_gates.items()):
        with season.acting(season.planner) as connection:
            answers = record_events(
                connection,
                season.keys,
                facility_id,
                sorted(events, key=lambda event: event.at),
                source="gate",
                device_id=season.gates[facility_id],
                now=season.now,
            )
        season.tally["gate_events"] += sum(answer.refused is None for answer in answers)
        season.tally["gate_events_refused"] += sum(answer.refused is not None for answer in answers)


def _seen(season: Season, stay: Row[object], person: Person) -> list[SeenEvent]:
    """Return what a gate saw of a stay: nothing, or a car that came and left."""
    rng = season.rng
    if rng.random() < person.stays_away:
        season.tally["no_shows"] += 1
        return []
    starts_at: datetime = stay.starts_at
    ends_at: datetime = stay.ends_at
    came = starts_at + min(timedelta(minutes=float(rng.exponential(40))), (ends_at - starts_at) / 2)
    if rng.random() < person.leaves_late:
        left = ends_at + timedelta(minutes=1 + float(rng.exponential(_MEAN_LATE_MIN)))
        season.tally["left_late"] += 1
    else:
        left = max(came, ends_at - timedelta(minutes=float(rng.gamma(2, 20))))
    left = min(left, season.now)
    return [
        SeenEvent(f"{stay.id} {direction}", direction, at, _read(season, person.plate), 0.9)
        for direction, at in (("entry", came), ("exit", left))
    ]


def _read(season: Season, plate: str) -> str:
    """Read a plate, now and then one digit wrongly."""
    if season.rng.random() >= _MISREAD:
        return plate
    place = int(season.rng.integers(2, len(plate)))
    season.tally["misread_plates"] += 1
    return plate[:place] + str(int(season.rng.integers(10))) + plate[place + 1 :]
