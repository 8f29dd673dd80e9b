"""A plan in three pictures: use by hour, walking distances, unmet demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from api.errors import ApiError
from api.neighbourhoods.model import Neighbourhood
from api.pages.hours import hourly_use
from api.pages.words import REASON_WORDS

FORMATS = (".png", ".svg", ".pdf")
_SERVED, _SHARED, _UNMET = "#1f6f8b", "#c9d6df", "#c8553d"


class UnknownPicture(ApiError):
    """A picture was asked for in a format we do not draw."""


def draw_plots(neighbourhood: Neighbourhood, plan: Mapping[str, Any], out: Path) -> None:
    """
    Draw a plan into one picture.

    Raises
    ------
    UnknownPicture
        When the file's ending is none of `FORMATS`.
    """
    if out.suffix.lower() not in FORMATS:
        raise UnknownPicture(f"{out} does not end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    figure = Figure(figsize=(13, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _draw_use(left, neighbourhood, plan)
    _draw_walks(middle, plan)
    _draw_unmet(right, plan)
    figure.suptitle(f"{plan['served']:,} of {plan['demands']:,} demands served")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)


def _draw_use(axes: Axes, neighbourhood: Neighbourhood, plan: Mapping[str, Any]) -> None:
    use = hourly_use(neighbourhood, plan["assignments"])
    axes.bar(range(24), use.shared, color=_SHARED, width=0.9, label="shared bays")
    axes.bar(range(24), use.occupied, color=_SERVED, width=0.6, label="with a car")
    axes.set_xticks(range(0, 24, 3), [f"{hour:02d}" for hour in use.hours[::3]])
    axes.set(title="Use by hour, mean of the term", xlabel="hour of the day", ylabel="bays")
    axes.set_ylim(top=1.2 * max(1.0, float(use.shared.max())))
    axes.legend(frameon=False, ncols=2, loc="upper center")


def _draw_walks(axes: Axes, plan: Mapping[str, Any]) -> None:
    walks = [row["walk_m"] for row in plan["assignments"]]
    edges = list(range(0, max(walks, default=0) + 51, 50))
    axes.hist(walks, bins=edges, color=_SERVED, rwidth=0.92)
    axes.set(title=f"Walks, {plan['walk_m']['mean']} m on average", xlabel="metres", ylabel="demands")


def _draw_unmet(axes: Axes, plan: Mapping[str, Any]) -> None:
    counts = Counter(row["reason"] for row in plan["unserved"])
    rows = [(words, counts[reason]) for reason, words in REASON_WORDS.items() if counts[reason]][::-1]
    axes.barh([words for words, _ in rows], [count for _, count in rows], color=_UNMET)
    axes.set(title=f"Unmet demand, {len(plan['unserved']):,}", xlabel="demands")
