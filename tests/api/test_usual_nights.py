"""What "tonight" means at every hour of the day."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from api.finding.nights import TYPICAL_NIGHT, NightHours, UsualNights
from tests.api.supplied import Supplied

SHANGHAI, PARIS = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Paris")


def local(moment: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-09-16T12:00", "2026-09-16T18:00", "2026-09-17T08:00"),
        ("2026-09-16T18:00", "2026-09-16T18:00", "2026-09-17T08:00"),
        ("2026-09-16T23:59:59", "2026-09-16T23:59", "2026-09-17T08:00"),
        ("2026-09-17T00:00", "2026-09-17T00:00", "2026-09-17T08:00"),
        ("2026-09-17T07:59:59", "2026-09-17T07:59", "2026-09-17T08:00"),
        ("2026-09-17T08:00", "2026-09-17T18:00", "2026-09-18T08:00"),
    ],
)
def test_tonight_is_the_rest_of_this_night_or_the_next_one(now: str, start: str, end: str) -> None:
    night = NightHours(18 * 60, 32 * 60).night_of(local(now), zone=SHANGHAI)
    assert (night.start, night.end) == (local(start), local(end))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-27", 14), ("2026-03-28", 13), ("2026-10-24", 15)])
def test_a_night_is_as_long_as_the_clock_makes_it(day: str, hours: int) -> None:
    night = NightHours(18 * 60, 32 * 60).night_of(local(f"{day}T12:00", PARIS), zone=PARIS)
    assert (night.end - night.start).total_seconds() == hours * 3600


def test_the_window_of_most_bays_is_the_usual_night(engine: Engine) -> None:
    """Three bays from 19:00 to 31:30, two from 18:00 to 32:00; ten by day count for nothing."""
    with engine.connect() as connection:
        supplied = Supplied(connection)
        assert UsualNights().of(connection, supplied.neighbourhood) == NightHours(*TYPICAL_NIGHT)
        for bays, start, end in ((3, 1140, 1890), (2, 1080, 1920), (10, 480, 1080)):
            [bay, *_] = supplied.add_group(supplied.add_facility(100), bays)
            connection.execute(
                text(
                    "INSERT INTO share_windows (bay_group_id, position, days, from_min, to_min, bays)"
                    " VALUES (:group, 0, 'daily', :start, :end, :bays)"
                ),
                {"group": supplied.group_of(bay), "start": start, "end": end, "bays": bays},
            )
        nights = UsualNights()
        assert nights.of(connection, supplied.neighbourhood) == NightHours(1140, 1890)
        connection.execute(text("DELETE FROM share_windows"))
        assert nights.of(connection, supplied.neighbourhood) == NightHours(1140, 1890)  # remembered for a minute
        assert UsualNights().of(connection, supplied.neighbourhood) == NightHours(*TYPICAL_NIGHT)
        connection.rollback()
