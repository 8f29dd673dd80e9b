"""The public draw: who of those that no rule can tell apart comes first. Anyone can repeat it from seed and ids."""

from __future__ import annotations

import hmac
from collections.abc import Iterable


def draw_key(seed: str, household: str) -> bytes:
    """HMAC-SHA256 of a household's stable id under the round seed, both as UTF-8; 32 bytes."""
    return hmac.digest(seed.encode(), household.encode(), "sha256")


def draw_order(seed: str, households: Iterable[str]) -> list[str]:
    """Households in the order of the draw, lowest key first."""
    return sorted(households, key=lambda household: (draw_key(seed, household), household))
