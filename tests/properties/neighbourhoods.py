"""Random small neighbourhoods: few days, few facilities, every rule of the folder somewhere."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import shapely
from hypothesis import strategies as st

from api.neighbourhoods.model import (
    BAY_KINDS,
    DECISIONS_SCHEMA,
    DEMANDS_SCHEMA,
    HOMES_SCHEMA,
    WALKS_SCHEMA,
    WEEKDAYS,
    BayGroup,
    Closure,
    Facility,
    Neighbourhood,
    Policy,
    Window,
)

UNKNOWN_COUNTRY = "ZZ"
"""No library knows it: workdays are Mondays to Fridays, unless the folder says otherwise."""
STARTS = [date(2026, 9, 30), date(2027, 2, 26), date(2028, 2, 27), date(2026, 12, 30), date(2027, 3, 27)]
NIGHT = ["18:00", "19:00", "20:00", "21:59", "22:00", "22:01"]
MORNING = ["30:00", "30:59", "31:00", "31:01", "32:00", "33:30"]


def minutes(text: str) -> int:
    hours, _, rest = text.partition(":")
    return 60 * int(hours) + int(rest)


def stay_hours() -> st.SearchStrategy[tuple[int, int]]:
    """Arrive and leave: mostly nights, also days, long ones, and everything up to 48:00."""
    night = st.tuples(st.sampled_from(NIGHT), st.sampled_from(MORNING)).map(
        lambda pair: (minutes(pair[0]), minutes(pair[1]))
    )
    odd = st.lists(st.integers(0, 96).map(lambda half: 30 * half), min_size=2, max_size=2, unique=True)
    return st.one_of(night, night, night, odd.map(lambda pair: (min(pair), max(pair))))


def days_words() -> st.SearchStrategy[str]:
    weekdays = st.sets(st.sampled_from(WEEKDAYS), min_size=1, max_size=4)
    words = ["daily", "daily", "workdays", "rest_days"]
    return st.one_of(st.sampled_from(words), weekdays.map(lambda named: " ".join(d for d in WEEKDAYS if d in named)))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    wide = st.sampled_from([(0, 2880), (1080, 1920), (1080, 2040), (0, 1440), (1020, 2880), (0, 1920), (1200, 1860)])
    begin, end = draw(st.one_of(wide, wide, stay_hours()))
    last = draw(st.none() | st.sampled_from([1260, 1319, 1320, 1321, 1500]).filter(lambda minute: minute >= begin))
    day = st.tuples(st.sampled_from([1, 2, 3, 9, 10, 12]), st.sampled_from([1, 27, 28, 29, 30, 31]))
    day = day.filter(lambda pair: pair not in ((2, 30), (2, 31), (9, 31)))
    season = draw(st.none() | st.none() | st.tuples(day, day))
    return Window(draw(days_words()), begin, end, draw(st.integers(0, 3)), last, season)


@st.composite
def facilities(draw: st.DrawFn, name: str, first: date) -> Facility:
    kinds = st.lists(st.sampled_from(["standard", *BAY_KINDS]), min_size=1, max_size=2, unique=True).map(tuple)
    groups = tuple(
        BayGroup(f"g{number}", draw(st.just(("standard",)) | kinds), tuple(draw(st.lists(windows(), max_size=3))))
        for number in range(draw(st.integers(1, 2)))
    )
    midnight = datetime.combine(first, datetime.min.time())
    moment = st.integers(-24, 10 * 24).map(lambda hour: midnight + timedelta(hours=hour))
    closures = []
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        begin = draw(moment)
        closures.append(Closure(begin, begin + timedelta(hours=draw(st.integers(1, 40)))))
    no_movement = draw(st.sampled_from([None, None, None, (1380, 1800), (1320, 1440), (120, 361), (0, 1439)]))
    return Facility(
        id=name,
        name=name,
        kind="other",
        geometry=shapely.Point(121.5, 31.2),
        bay_groups=groups,
        max_height_m=draw(st.sampled_from([None, None, 2.0])),
        buffer_bays=draw(st.sampled_from([0, 0, 1, 2])),
        closures=tuple(closures),
        no_movement=no_movement,
    )


@st.composite
def neighbourhoods(draw: st.DrawFn, *, max_demands: int = 6) -> Neighbourhood:
    first = draw(st.sampled_from(STARTS))
    last = first + timedelta(days=draw(st.integers(0, 8)))
    places = tuple(draw(facilities(f"f{number}", first)) for number in range(draw(st.integers(1, 3))))
    names = [place.id for place in places]
    homes = [f"h{number}" for number in range(draw(st.integers(1, 2)))]
    demands = draw(_demands(homes, names, max_demands))
    near = st.integers(first.toordinal() - 2, last.toordinal() + 5).map(date.fromordinal)
    return Neighbourhood(
        name="random",
        timezone=draw(st.sampled_from(["Asia/Shanghai", "Europe/Monaco", "America/New_York"])),
        country=UNKNOWN_COUNTRY,
        crs="EPSG:4326",
        seed=draw(st.integers(0, 3)),
        term_from=first,
        term_to=last,
        policy=draw(
            st.sampled_from([Policy(), Policy((900, 600, 300), 100, 250, 400.0), Policy((50, 50, 50), 0, 0, 500.0)])
        ),
        facilities=places,
        homes=pl.DataFrame(
            {"id": homes, "lon": 121.5, "lat": 31.2, "name": None, "estate": None, "households": None}
        ).cast(
            HOMES_SCHEMA  # type: ignore[arg-type]
        ),
        demands=demands,
        decisions=draw(_decisions(demands["id"].to_list(), names)),
        walks=draw(_walks(homes, names)),
        streets=None,
        calendar_overrides=draw(st.dictionaries(near, st.sampled_from(["workday", "rest_day"]), max_size=4)),
    )


@st.composite
def _demands(draw: st.DrawFn, homes: list[str], facilities: list[str], most: int) -> pl.DataFrame:
    rows: list[dict[str, object]] = []
    for number in range(draw(st.integers(1, most))):
        if rows and draw(st.integers(0, 2)) == 0:  # one more like the last: a draw
            rows.append({**rows[-1], "id": f"d{number}"})
            continue
        arrive, leave = draw(stay_hours())
        rows.append(
            {
                "id": f"d{number}",
                "home": draw(st.sampled_from(homes)),
                "days": draw(days_words()),
                "arrive_min": arrive,
                "leave_min": leave,
                "tier": draw(st.integers(1, 3)),
                "max_walk_m": draw(st.sampled_from([None, None, 100.0, 299.5])),
                "needs": draw(st.sampled_from(["", "", "", "ev", "accessible", "accessible ev"])),
                "height_m": draw(st.sampled_from([None, None, 1.5, 2.0, 2.1])),
                "stay_through": draw(st.sampled_from([False, False, True])),
                "rounds_waited": draw(st.sampled_from([0, 0, 1, 3])),
                "holds": draw(st.sampled_from([None, None, *facilities])),
            }
        )
    return pl.DataFrame(rows, schema=DEMANDS_SCHEMA)


@st.composite
def _decisions(draw: st.DrawFn, demands: list[str], facilities: list[str]) -> pl.DataFrame:
    rows: list[tuple[str, str | None, str]] = []
    for demand in demands:
        word = draw(st.sampled_from([None] * 8 + ["lock", "reject", "reject_all"]))
        if word == "reject_all":
            rows.append((demand, None, "reject"))
        elif word:
            rows.append((demand, draw(st.sampled_from(facilities)), word))
    return pl.DataFrame(rows, schema=DECISIONS_SCHEMA, orient="row")


@st.composite
def _walks(draw: st.DrawFn, homes: list[str], facilities: list[str]) -> pl.DataFrame:
    metres = st.sampled_from([0, 49, 50, 99, 100, 101, 250, 299, 300, 400, 500, 501, 900])
    rows = [
        (home, facility, draw(metres))
        for home in homes
        for facility in (*facilities, "elsewhere")
        if draw(st.integers(0, 9)) > 0
    ]
    return pl.DataFrame(rows, schema=WALKS_SCHEMA, orient="row")
