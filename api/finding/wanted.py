"""What somebody looks for."""

from __future__ import annotations

from dataclasses import dataclass

from api.finding.period import Period


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bay for the whole of a period, and what it must be like; None asks for nothing."""

    period: Period
    needs: tuple[str, ...] = ()
    """Of `accessible` and `ev`."""
    height_m: float | None = None
    max_price_cents: int | None = None
    """For the night; where a facility names no price, none is charged."""
