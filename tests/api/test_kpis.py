"""The figures of a scheme: worked out by hand for a small town, and bay-hours for any spans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from api.app import create_app
from api.kpis.service import bay_hours_by_hour, season_kpis
from tests.api.accounts import make_planner, settings_of_tests
from tests.api.booking_town import make_household, make_town

ZONE = ZoneInfo("Asia/Shanghai")
BEGIN = datetime(2026, 1, 5, 0, tzinfo=UTC)
SPAN = st.tuples(st.integers(-500, 3500), st.integers(0, 1500), st.integers(1, 9))


@given(st.lists(SPAN, max_size=12))
def test_bay_hours_fall_into_their_hours_and_none_is_lost(spans: list[tuple[int, int, int]]) -> None:
    end = BEGIN + timedelta(minutes=3000)
    given_spans = [
        (BEGIN + timedelta(minutes=first), BEGIN + timedelta(minutes=first + length), bays)
        for first, length, bays in spans
    ]
    found = bay_hours_by_hour(given_spans, zone=ZONE, since=BEGIN, until=end)
    counted = np.zeros(24)
    for first, length, bays in spans:
        for minute in range(max(first, 0), min(first + length, 3000)):
            counted[(minute // 60 + 8) % 24] += bays / 60  # Shanghai is eight hours ahead
    np.testing.assert_allclose(found, counted, atol=1e-6)


def test_figures_of_a_small_town(engine: Engine) -> None:
    """Two bays open all day at each of two places; one is taken from 20:00 to 08:00, another night is given back."""
    with engine.begin() as connection:
        town = make_town(connection)
        household = make_household(connection, town)
        connection.execute(
            text(
                """
                UPDATE openings SET during = '[2026-01-05T00:00+08,2026-01-07T00:00+08)',
                    starts = '{[2026-01-05T00:00+08,2026-01-07T00:00+08)}',
                    ends = '{[2026-01-05T00:00+08,2026-01-07T00:00+08]}'
                """
            )
        )
        connection.execute(
            text(
                """
                WITH permit AS (
                    INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min)
                    VALUES (:household, :vehicle, :group, '[2026-01-05,2026-01-08)', 'daily', 1200, 1920) RETURNING id
                )
                INSERT INTO stays (bay_id, household_id, permit_id, night, during, kind, state)
                SELECT b.id, :household, permit.id, night, tstzrange((night + time '12:00') AT TIME ZONE 'UTC',
                    (night + time '24:00') AT TIME ZONE 'UTC'), 'permit', state
                FROM permit, (SELECT id FROM bays WHERE bay_group_id = :group ORDER BY id LIMIT 1) b,
                    (VALUES (date '2026-01-05', 'confirmed'), (date '2026-01-06', 'given_back')) AS n (night, state)
                """
            ),
            {"household": household.id, "vehicle": household.vehicle, "group": town.near_group},
        )
        day = datetime(2026, 1, 5, tzinfo=ZONE)
        found = season_kpis(connection, town.neighbourhood, zone=ZONE, since=day, until=day + timedelta(days=2))
    use = {row["hour"]: row for row in found["utilisation_by_hour"]}
    assert use["02:00"]["shared_bay_hours"] == 8.0  # four bays, two mornings
    assert use["02:00"]["occupied_bay_hours"] == 1.0
    assert use["02:00"]["utilisation"] == 0.125
    assert use["12:00"]["utilisation"] == 0.0
    assert found["nights"]["release_rate"] is not None
    assert found["service_rate"] is None
    assert found["withdrawals"] == {"planned": 0, "emergency": 0, "notice_days_mean": None}


def test_planners_ask_for_figures_of_days_that_make_sense(engine: Engine) -> None:
    with engine.begin() as connection:
        make_town(connection)
    app = create_app(settings_of_tests(), engine)
    headers = make_planner(engine).headers
    with TestClient(app, base_url="http://127.0.0.1", headers=headers) as planner:
        path = "/v1/neighbourhoods/town/kpis"
        good = planner.get(path, params={"first": "2026-01-05", "last": "2026-01-31"})
        assert good.status_code == 200, good.text
        assert good.json()["figures"]["applications"] == 0
        bad = planner.get(path, params={"first": "2026-01-05", "last": "2026-01-01"})
        assert bad.status_code == 422
