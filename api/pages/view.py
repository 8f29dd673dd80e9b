"""Everything the page shows, computed once from a neighbourhood and its plan; the service and the map file share it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.neighbourhoods.model import Facility, Neighbourhood
from api.neighbourhoods.supply_rows import num_bays
from api.pages.certificate import CertificateWords, certificate_words
from api.pages.charts import Chart
from api.pages.figures import Figure, key_figures, plan_charts
from api.pages.words import (
    BAY_KIND_WORDS,
    KIND_WORDS,
    date_words,
    limits_words,
    price_words,
    reason_words,
    window_words,
)

Plan = Mapping[str, Any]
"""The content of plan.json."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """A bay group of the list: how many bays, of which kind, open when."""

    kind: str
    bays: int
    windows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FacilityView:
    """An entry of the list beside the map."""

    index: int
    id: str
    name: str
    kind: str
    lon: float
    lat: float
    bays: int
    households: int
    """Served here."""
    price: str | None
    groups: tuple[GroupView, ...]
    limits: tuple[str, ...]
    mean_walk_m: float | None
    value_m: int | None
    """What one more bay of its most wanted group would be worth."""
    synthetic: bool


@dataclass(frozen=True, slots=True)
class HomeView:
    """A home with its demands."""

    index: int
    name: str
    lon: float
    lat: float
    demands: int
    served: int
    reasons: tuple[str, ...]
    """Why the others got none, with how many each."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Households of one home that walk to one facility."""

    home: int
    facility: int
    households: int
    walk_m: float
    """On average."""


@dataclass(frozen=True, slots=True)
class View:
    """The page of one neighbourhood."""

    name: str
    term: str
    timezone: str
    synthetic: bool
    has_streets: bool
    facilities: tuple[FacilityView, ...]
    homes: tuple[HomeView, ...]
    """Those with a demand."""
    flows: tuple[Flow, ...]
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...]
    certificate: CertificateWords | None
    warnings: tuple[str, ...]
    version: str
    planned: bool


def build_view(
    neighbourhood: Neighbourhood,
    *,
    plan: Plan | None,
    certificate: Mapping[str, Any] | None,
    extra: Mapping[str, Mapping[str, object]],
    has_streets: bool,
) -> View:
    """
    Compute what the page shows.

    Parameters
    ----------
    plan, certificate
        Contents of plan.json and certificate.json; without a plan the page shows supply and homes only.
    extra
        By facility id, what the folder says beyond the rules; `synthetic` marks made-up bays.
    has_streets
        Whether there is a base map, whose source must then be named.
    """
    facilities = _facility_views(neighbourhood, plan, extra)
    homes, home_of_demand = _home_views(neighbourhood, plan)
    total_bays = sum(facility.bays for facility in facilities)
    return View(
        name=neighbourhood.name,
        term=f"{date_words(neighbourhood.term_from)} – {date_words(neighbourhood.term_to)}",
        timezone=neighbourhood.timezone,
        synthetic=any(facility.synthetic for facility in facilities),
        has_streets=has_streets,
        facilities=facilities,
        homes=homes,
        flows=_flows(plan, facilities, home_of_demand) if plan else (),
        figures=tuple(key_figures(neighbourhood, plan, num_bays=total_bays)) if plan else (),
        charts=tuple(plan_charts(neighbourhood, plan)) if plan else (),
        certificate=certificate_words(plan, certificate) if plan else None,
        warnings=tuple(dict.fromkeys([*neighbourhood.warnings, *(plan or {}).get("warnings", ())])),
        version=str((plan or {}).get("version", "")),
        planned=plan is not None,
    )


def _facility_views(
    neighbourhood: Neighbourhood, plan: Plan | None, extra: Mapping[str, Mapping[str, object]]
) -> tuple[FacilityView, ...]:
    walks: dict[str, list[int]] = defaultdict(list)
    for row in (plan or {}).get("assignments", ()):
        walks[row["facility"]].append(row["walk_m"])
    values: dict[str, int] = {}
    for row in (plan or {}).get("bay_values", ()):
        values[row["facility"]] = max(values.get(row["facility"], 0), int(row["value_m"]))
    return tuple(
        _facility_view(
            index,
            facility,
            walks[facility.id],
            values.get(facility.id),
            extra.get(facility.id, {}),
            neighbourhood.country,
        )
        for index, facility in enumerate(neighbourhood.facilities)
    )


def _facility_view(
    index: int, facility: Facility, walks: list[int], value_m: int | None, extra: Mapping[str, object], country: str
) -> FacilityView:
    point = facility.geometry.representative_point()
    return FacilityView(
        index=index,
        id=facility.id,
        # The mark stands beside the name; a sample that says it in the name too would say it twice.
        name=facility.name.removesuffix(" (synthetic bays)") if extra.get("synthetic") else facility.name,
        kind=KIND_WORDS[facility.kind],
        lon=point.x,
        lat=point.y,
        bays=sum(num_bays(group) for group in facility.bay_groups),
        households=len(walks),
        price=price_words(facility, country=country),
        groups=tuple(
            GroupView(
                kind=" and ".join(BAY_KIND_WORDS[kind] for kind in group.kinds),
                bays=num_bays(group),
                windows=tuple(_window_text(window, num_bays(group)) for window in group.windows),
            )
            for group in facility.bay_groups
        ),
        limits=tuple(limits_words(facility)),
        mean_walk_m=sum(walks) / len(walks) if walks else None,
        value_m=value_m,
        synthetic=bool(extra.get("synthetic")),
    )


def _window_text(window: Any, most: int) -> str:  # noqa: ANN401
    words = window_words(window)
    return words if window.bays == most else f"{words} ({window.bays} bays)"


def _home_views(neighbourhood: Neighbourhood, plan: Plan | None) -> tuple[tuple[HomeView, ...], dict[str, int]]:
    """Return the homes that ask for something, and the index of its home for each demand."""
    home_of = dict(neighbourhood.demands.select("id", "home").iter_rows())
    asked = Counter(home_of.values())
    served = Counter(home_of[row["demand"]] for row in (plan or {}).get("assignments", ()))
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for row in (plan or {}).get("unserved", ()):
        reasons[home_of[row["demand"]]][row["reason"]] += 1
    views: list[HomeView] = []
    index_of: dict[str, int] = {}
    for code, name, lon, lat, estate in neighbourhood.homes.select("id", "name", "lon", "lat", "estate").iter_rows():
        if not asked[code]:
            continue
        index_of[code] = len(views)
        why = tuple(f"{count} × {reason_words(reason)}" for reason, count in reasons[code].most_common())
        views.append(HomeView(len(views), name or estate or code, lon, lat, asked[code], served[code], why))
    return tuple(views), {demand: index_of[home] for demand, home in home_of.items()}


def _flows(plan: Plan, facilities: tuple[FacilityView, ...], home_of_demand: Mapping[str, int]) -> tuple[Flow, ...]:
    """Add up who walks where: a city has tens of thousands of households and a tenth as many lines."""
    index_of = {facility.id: facility.index for facility in facilities}
    walks: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in plan["assignments"]:
        if row["facility"] in index_of:  # it may have been withdrawn since the plan was made
            walks[home_of_demand[row["demand"]], index_of[row["facility"]]].append(row["walk_m"])
    return tuple(
        Flow(home, facility, len(metres), sum(metres) / len(metres))
        for (home, facility), metres in sorted(walks.items())
    )
