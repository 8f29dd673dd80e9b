"""Advice in two pictures: bays by weekday and hour, and the nights of the record beside what would have been said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from api.capacity.advising import Advice
from api.capacity.telling import WEEKDAYS
from api.capacity.visits import UnusableRecords

_FORMATS = (".png", ".svg", ".pdf")
_FREE, _SAID = "#1f6f8b", "#c8553d"


def draw_advice(advice: Advice, out: Path) -> None:
    """Draw advice into one picture; raise UnusableRecords where the file's ending is none that can be drawn."""
    if out.suffix.lower() not in _FORMATS:
        raise UnusableRecords(f"{out} does not end in {', '.join(_FORMATS)}")
    figure = Figure(figsize=(13, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_hours(left, advice)
    _draw_nights(right, advice)
    figure.suptitle(f"Bays safe to share of {advice.question.bays}, on {advice.question.confidence:.0%} of days")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)


def _draw_hours(axes: Axes, advice: Advice) -> None:
    table = np.array([line.safe if line.safe else [np.nan] * 24 for line in advice.hours], dtype=np.float64)
    drawn = axes.imshow(table, aspect="auto", cmap="YlGnBu", vmin=0, vmax=advice.question.bays)
    axes.set_yticks(range(7), WEEKDAYS)
    axes.set_xticks(range(0, 24, 3), [f"{hour:02d}" for hour in range(0, 24, 3)])
    axes.set(title="By weekday and hour", xlabel="hour of the day")
    axes.figure.colorbar(drawn, ax=axes, label="bays")


def _draw_nights(axes: Axes, advice: Advice) -> None:
    peaks, bays = advice.peaks, advice.question.bays
    free = np.maximum(bays - peaks.nightly[:, 0], 0)[peaks.whole_night]
    said = {line.weekday: line.safe[0] if line.safe else np.nan for line in advice.nights}
    weekday = ((peaks.days + 3) % 7)[peaks.whole_night]
    axes.plot(
        weekday + np.linspace(-0.3, 0.3, len(free)), free, ".", color=_FREE, markersize=3, label="nights of the record"
    )
    axes.bar(range(7), [said[k] for k in range(7)], color=_SAID, alpha=0.35, label="said to be safe")
    axes.set_xticks(range(7), WEEKDAYS)
    axes.set(title="Free all through the share window", ylabel="bays", ylim=(0, bays))
    axes.legend(frameon=False)
