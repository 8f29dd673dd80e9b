"""The certificate in plain words: how much better any plan could possibly be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.pages.words import number_words


@dataclass(frozen=True, slots=True)
class CertificateWords:
    """What the certificate says, for somebody who has never heard of a bound."""

    headline: str
    explanation: str
    proof: str
    percent: float
    """How much of the bound is reached."""


def certificate_words(plan: Mapping[str, Any], certificate: Mapping[str, Any] | None) -> CertificateWords:
    """Say what a plan's value and bound mean."""
    value, bound, demands = int(plan["value_m"]), int(plan["bound_m"]), int(plan["demands"])
    left = max(0, bound - value)
    optimal = plan.get("status") == "optimal" or left == 0
    return CertificateWords(
        headline="Nobody can do better with these bays." if optimal else _gap_words(left, demands),
        explanation=_explanation(value=value, bound=bound, demands=demands, optimal=optimal),
        proof=_proof_words(certificate),
        percent=100.0 if bound <= 0 else min(100.0, 100 * max(value, 0) / bound),
    )


def gap_m(plan: Mapping[str, Any]) -> float:
    """Return the certified gap in metres a demand; none where branches close what prices leave."""
    if plan.get("status") == "optimal":
        return 0.0
    return max(0, int(plan["bound_m"]) - int(plan["value_m"])) / max(1, int(plan["demands"]))


def metres_words(metres: float) -> str:
    """Write an upper limit of a length: rounded up where it would read as nothing."""
    if metres == 0:
        return "0 m"
    if metres < 0.01:
        return "1 cm"
    return f"{metres:.2f} m" if metres < 10 else f"{metres:,.0f} m"


def _gap_words(left: int, demands: int) -> str:
    return f"At most {metres_words(left / max(1, demands))} a household could be gained by any other plan."


def _explanation(*, value: int, bound: int, demands: int, optimal: bool) -> str:
    """Say value and bound, and how the one relates to the other."""
    words = (
        "A plan is worth what its served households count for, less the metres they walk. "
        f"This plan is worth {number_words(value)} m."
    )
    if value >= bound:
        return f"{words} No plan whatsoever can exceed {number_words(bound)} m, so none is better."
    if optimal:
        return (
            f"{words} The prices prove that no plan can exceed {number_words(bound)} m; that none "
            "lies between was shown by trying every case that was left."
        )
    return (
        f"{words} No plan whatsoever can exceed {number_words(bound)} m. What may be left on the table is "
        f"{number_words(bound - value)} m in all, over {number_words(demands)} households."
    )


def _proof_words(certificate: Mapping[str, Any] | None) -> str:
    if certificate is None:
        return "No certificate came with this plan, so the bound has to be taken on trust."
    prices = len(certificate.get("prices", ()))
    return (
        f"The proof is a list of {number_words(prices)} prices for bays at moments of the term. Whoever has "
        "the folder and the plan can verify rules, value and bound without trusting the solver: "
        "baytide check FOLDER plan.json."
    )
