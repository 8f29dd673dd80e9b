"""Nights for which there is no bay any more when a permit is offered: left out of it, and given back to the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row

from api.openings.permit_nights import Night
from api.permits import ending_queries
from api.permits.ledger import calendar_of, release_nights
from api.permits.nights import ledger_nights_of, multirange_of, nights_in


def leave_out(connection: Connection, nights: Iterable[Night]) -> None:
    """Leave nights out of their permits, with all that their stays cover; the caller acts as the worker."""
    lost: dict[int, set[date]] = {}
    for night in nights:
        lost.setdefault(night.permit_id, set()).add(night.night)
    for permit in ending_queries.lock_live_permits(connection, sorted(lost)):
        left_out = sorted({*permit.days_left_out, *lost[permit.id]})
        before, after = nights_in(permit), _nights_without(connection, permit, left_out)
        kept = [night for night in before if night in after]
        ending_queries.leave_out(connection, permit.id, days=left_out, nights=multirange_of(kept))
        release_nights(connection, {permit.bay_group_id: Counter(set(before) - set(kept))})


def _nights_without(connection: Connection, permit: Row[Any], left_out: list[date]) -> set[date]:
    kinds = calendar_of(
        connection, permit.neighbourhood_id, country=permit.country, first=permit.first, last=permit.last
    )
    return set(
        ledger_nights_of(
            days=permit.days,
            arrive_min=permit.arrive_min,
            leave_min=permit.leave_min,
            stay_through=permit.stay_through,
            first=permit.first,
            last=permit.last,
            kinds=kinds,
            days_left_out=left_out,
        )
    )
