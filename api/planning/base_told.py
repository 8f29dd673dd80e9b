"""What a plan says about its base, as far as it can be verified without the base."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_HASHES = ("plan_sha256", "edits_sha256")
_PARTS = ("moved", "newly_served", "no_longer_served")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def wrong_base(plan: Mapping[str, Any]) -> Iterator[str]:
    """
    Say what cannot be true of a plan's base; nothing for a plan without one.

    Both hashes are SHA-256 in hexadecimal; the demands changed are those moved, newly served and no longer served, and
    of the last three there are never more than are served, or not served, in the plan.
    """
    if "base" not in plan:
        return
    base = plan["base"]
    for name in _HASHES:
        if not isinstance(base[name], str) or not _SHA256.fullmatch(base[name]):
            yield f"base: {name} is {base[name]!r}, expected 64 hexadecimal digits"
    counts = {name: base[name] for name in ("changed", *_PARTS)}
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"base.{name} is {count!r}, expected a whole number of at least 0")
    parts = sum(counts[name] for name in _PARTS)
    if counts["changed"] != parts:
        yield f"base: changed is {counts['changed']}, its parts are {parts} together"
    served, refused = len(plan["assignments"]), len(plan["unserved"])
    if counts["moved"] + counts["newly_served"] > served or counts["no_longer_served"] > refused:
        yield "base: more demands changed than the plan serves or refuses"
