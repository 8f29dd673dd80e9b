"""What two plans of a round give to whom: households gained, lost and moved, walks and value, by tier."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from api.rounds import allocation_queries as queries

Json = dict[str, Any]
_COUNTS = (
    "demands",
    "served_before",
    "served_after",
    "gained",
    "lost",
    "moved",
    "walk_before_m",
    "walk_after_m",
    "walk_change_m",
)


def compare_plans(connection: Connection, before: int, after: int, *, of: int) -> Json:
    """
    Compare a plan of a round with one before it.

    `gained` have a bay in the later plan only, `lost` in the earlier only, `moved` in both, at different facilities;
    `walk_change_m` is what those served by both walk farther altogether.

    Raises
    ------
    PlanNotFound
        One of them is no plan of the round.
    """
    first, second = (queries.get_plan(connection, plan_id, of=of) for plan_id in (before, after))
    tiers = [
        {"tier": row.tier, **{name: int(getattr(row, name)) for name in _COUNTS}}
        for row in queries.compare(connection, before=before, after=after)
    ]
    return {
        "before": before,
        "after": after,
        **{name: sum(tier[name] for tier in tiers) for name in _COUNTS},
        "value_before_m": first.value_m,
        "value_after_m": second.value_m,
        "value_change_m": second.value_m - first.value_m,
        "by_tier": tiers,
    }
