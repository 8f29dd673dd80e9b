"""What everybody may see of a published round: sums, the draw, hashes; nobody's home, plate or household."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from api.rounds.folder_queries import FILES

Json = dict[str, Any]
NEAR_M = (300, 500)


def report_of(
    row: Row[Any],
    plan: Row[Any],
    outcomes: Sequence[Row[Any]],
    *,
    waiting: int,
    kept_back: int,
    root: bytes,
    secret: bytes,
    now: datetime,
) -> Json:
    """
    Put together the report of a round and the plan it is published with.

    Parameters
    ----------
    waiting, kept_back
        Households that the plan does not serve and that wait; those it serves with a place that does not suit them any
        more, since they moved or have another car, and that wait too.
    """
    served = [outcome for outcome in outcomes if outcome.bay_group_id is not None]
    summary: Mapping[str, Any] = plan.summary
    return {
        "round": row.id,
        "name": row.name,
        "neighbourhood": row.neighbourhood,
        "term": {"first": row.first.isoformat(), "last": row.last.isoformat()},
        "published_at": now.isoformat(),
        "plan": plan.id,
        "applications": len(outcomes),
        "served": len(served),
        "waiting": waiting,
        "kept_back": kept_back,
        "refused": len(outcomes) - len(served) - waiting,
        "by_tier": _by_tier(outcomes),
        "unserved_by_reason": dict(sorted(Counter(o.reason for o in outcomes if o.reason is not None).items())),
        "walk_m": {**summary["walk_m"], **_near([outcome.walk_m for outcome in served])},
        "status": summary["status"],
        "value_m": plan.value_m,
        "bound_m": plan.bound_m,
        "gap": summary["gap"],
        "draw": {
            "seed": row.seed,
            "public_number": row.public_number,
            "number_source": row.number_source,
            "commitment": bytes(row.commitment).hex(),
            "secret": secret.hex(),
        },
        "review": {
            "locked": plan.locked,
            "rejected": plan.rejected,
            "cost": summary.get("decisions_cost") or {"low_m": 0, "high_m": 0, "exact_m": 0},
        },
        "parameters": {**plan.parameters, "base": plan.base_id},
        "version": plan.version,
        "checked_at": plan.checked_at.isoformat(),
        "hashes": {"input_sha256": _of_supply(plan), "inputs": bytes(plan.inputs).hex(), "receipts": root.hex()},
    }


def _of_supply(plan: Row[Any]) -> Json:
    """Return the hashes of files that tell of nobody: a file of few short rows could be found by trying all."""
    return {name: found for name, found in plan.input_sha256.items() if name not in FILES}


def _by_tier(outcomes: Sequence[Row[Any]]) -> list[Json]:
    asked = Counter(outcome.tier for outcome in outcomes)
    served = Counter(outcome.tier for outcome in outcomes if outcome.bay_group_id is not None)
    return [{"tier": tier, "applications": asked[tier], "served": served[tier]} for tier in sorted(asked)]


def _near(walks: Sequence[int]) -> Json:
    """Tell the shares of walks that schemes promise."""
    return {
        f"share_within_{near}": round(sum(walk <= near for walk in walks) / len(walks), 4) if walks else None
        for near in NEAR_M
    }
