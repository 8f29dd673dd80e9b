"""Plots as SVG, drawn here so that they need no script, print well and follow the page's colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 420, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 4, 30, 30


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot, and its numbers for those who cannot see it."""

    title: str
    summary: str
    svg: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """One colour of bars: what it is, how high, and the class that colours it."""

    name: str
    values: tuple[float, ...]
    style: str


def upright_chart(
    *, title: str, summary: str, labels: Sequence[str], series: Sequence[Bars], unit: str, every: int = 1
) -> Chart:
    """
    Draw upright bars; later series stand in front of earlier ones.

    Parameters
    ----------
    labels
        One a bar; every `every`-th is written below.
    unit
        What the height counts, written at the top of the axis.
    """
    highest = max((value for bars in series for value in bars.values), default=0)
    top = _round_up(highest)
    inner_w, inner_h = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    step = inner_w / max(1, len(labels))
    parts = [_grid(top, inner_h, unit)]
    for bars in series:
        for k, value in enumerate(bars.values):
            height = inner_h * value / top
            parts.append(
                f'<rect class="{bars.style}" x="{_LEFT + k * step + step * 0.1:.1f}" y="{_TOP + inner_h - height:.1f}" '
                f'width="{step * 0.8:.1f}" height="{max(0.0, height):.1f}"/>'
            )
    for k, label in enumerate(labels):
        if k % every == 0:
            x = _LEFT + (k + 0.5) * step
            y = _HEIGHT - _BOTTOM + 16
            parts.append(f'<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{escape(label)}</text>')
    rows = tuple((label, *(f"{bars.values[k]:,.0f}" for bars in series)) for k, label in enumerate(labels))
    return Chart(
        title=title,
        summary=summary,
        svg=_svg(title, summary, "".join(parts), height=_HEIGHT),
        columns=("", *(bars.name for bars in series)),
        rows=rows,
    )


def lying_chart(*, title: str, summary: str, labels: Sequence[str], values: Sequence[int], style: str) -> Chart:
    """Draw lying bars with their labels above, for few categories with long names."""
    row_h = 38
    highest = max(values, default=0) or 1
    parts = []
    for k, (label, value) in enumerate(zip(labels, values, strict=True)):
        y = k * row_h
        width = (_WIDTH - 90) * value / highest
        parts.append(
            f'<text class="label" x="0" y="{y + 14}">{escape(label)}</text>'
            f'<rect class="{style}" x="0" y="{y + 20}" width="{max(1.0, width):.1f}" height="11"/>'
            f'<text class="value" x="{max(1.0, width) + 6:.1f}" y="{y + 30}">{value:,}</text>'
        )
    return Chart(
        title=title,
        summary=summary,
        svg=_svg(title, summary, "".join(parts), height=max(1, len(labels)) * row_h),
        columns=("", "households"),
        rows=tuple((label, f"{value:,}") for label, value in zip(labels, values, strict=True)),
    )


def _svg(title: str, summary: str, content: str, *, height: int) -> Markup:
    label = f"{escape(title)}: {escape(summary)}"
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">{content}</svg>')


def _grid(top: float, inner_h: int, unit: str) -> str:
    """Draw lines at quarters of the axis, with their numbers."""
    parts = [f'<text class="tick" x="0" y="12">{escape(unit)}</text>']
    for quarter in range(5):
        y = _TOP + inner_h - inner_h * quarter / 4
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{top * quarter / 4:,.0f}</text>'
            if quarter
            else f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
    return "".join(parts)


def _round_up(value: float) -> float:
    """Return the next number above that divides into four round quarters."""
    if value <= 4:
        return 4
    magnitude = 4.0
    while magnitude * 10 < value:
        magnitude *= 10
    for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10):
        if magnitude * factor >= value:
            return magnitude * factor
    return magnitude * 10
