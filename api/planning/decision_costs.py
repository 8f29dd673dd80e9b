"""What a reviewer's locks and rejections cost: the folder solved again without them, from the plan with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from api.neighbourhoods.model import Neighbourhood
from api.planning.base_plan import BasePlan
from api.planning.basing import base_of
from api.planning.compiling import compile_neighbourhood
from api.planning.re_solving import Span, best_m_found, re_solve
from geo.pairs import WalkPairs

Json = dict[str, Any]
Progress = Callable[[str, str], None]


def decision_costs(
    neighbourhood: Neighbourhood,
    *,
    walks: WalkPairs,
    base: BasePlan,
    plan: Mapping[str, Any],
    each: bool = False,
    time_limit_s: float | None = None,
    progress: Progress = lambda _stage, _words: None,
) -> Json:
    """
    Find the value of the best plan without `decisions.csv` less the value of this one.

    The best plan lies between the value and the bound of the second solve, so the cost does between two numbers too.

    Parameters
    ----------
    base, plan
        A plan of exactly this neighbourhood that its checker accepts, as a base and as JSON.
    each
        Also tell, decision by decision, what the best plan without that one alone is worth more than this one.
    time_limit_s
        For each solve.

    Returns
    -------
    Json
        `all`, and with `each` one entry a decision in `each`, in the order of the file.
    """

    def cost_against(other: Neighbourhood) -> Span:
        compiled = compile_neighbourhood(other, walks)
        best = best_m_found(re_solve(compiled, base_of(compiled, base), time_limit_s=time_limit_s))
        # What keeps every decision is a plan without them too, so none of them can gain.
        return Span(max(0, best.low_m - plan["value_m"]), best.high_m - plan["value_m"])

    decisions = neighbourhood.decisions
    progress("costs", "solving without decisions")
    free = decisions.clear()
    whole = cost_against(replace(neighbourhood, decisions=free)) if len(decisions) else Span(0, 0)
    costs: Json = {"all": whole.as_json()}
    if each:
        costs["each"] = []
        for number, row in enumerate(decisions.iter_rows(named=True)):
            progress("costs", f"{number + 1} of {len(decisions)}: {row['decision']} of {row['demand']}")
            left = decisions[:number].extend(decisions[number + 1 :])
            alone = cost_against(replace(neighbourhood, decisions=left))
            # Bounds do not count on the locks that stay; without any decision no plan is worth less than without one.
            span = Span(alone.low_m, min(alone.high_m, whole.high_m))
            costs["each"].append({**row, **span.as_json()})
    return costs
