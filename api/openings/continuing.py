"""What is stored of the past, continued by what is wanted from now on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from api.openings.ticks import union, within, without
from api.openings.unrolling import Opening


def continued(stored: Sequence[Opening], wanted: Sequence[Opening], *, now_min: int) -> list[Opening]:
    """
    Return the openings of a bay group that keep the stored past and have the wanted future.

    Parameters
    ----------
    stored, wanted
        Openings of one group that end after now.
    now_min
        Minute in UTC. A bay that was open until now and stays open has one opening, not two that touch.
    """
    past = [opening for opening in stored if opening.begin_min < now_min]
    future = [_from(opening, now_min) for opening in wanted if opening.end_min > now_min]
    ongoing = [opening for opening in future if opening.begin_min == now_min]
    later = [opening for opening in future if opening.begin_min > now_min]
    return sorted([*_joined([_up_to(opening, now_min) for opening in past], ongoing), *later])


def keeps_all(stored: Opening, kept: Iterable[Opening], *, now_min: int) -> bool:
    """Whether whatever could be booked in an opening from now on can still be, each bay within one opening."""
    future = _from(stored, now_min)
    numbers = union((other.first_number, other.last_number + 1) for other in kept if _holds(other, future))
    return not without(((stored.first_number, stored.last_number + 1),), numbers)


def _holds(outer: Opening, inner: Opening) -> bool:
    return (
        outer.begin_min <= inner.begin_min
        and inner.end_min <= outer.end_min
        and not without(inner.starts, outer.starts)
        and not without(inner.ends, outer.ends)
    )


def _from(opening: Opening, now_min: int) -> Opening:
    """Return what of an opening lies after now."""
    if opening.begin_min >= now_min:
        return opening
    past = 2 * opening.end_min + 1
    return replace(
        opening,
        begin_min=now_min,
        starts=within(opening.starts, first=2 * now_min, past=past),
        ends=within(opening.ends, first=2 * now_min, past=past),
    )


def _up_to(opening: Opening, now_min: int) -> Opening:
    """Return what of an opening lies before now; a stay may have ended at the very moment."""
    first = 2 * opening.begin_min
    return replace(
        opening,
        end_min=now_min,
        starts=within(opening.starts, first=first, past=2 * now_min),
        ends=within(opening.ends, first=first, past=2 * now_min + 1),
    )


def _joined(past: Sequence[Opening], ongoing: Sequence[Opening]) -> list[Opening]:
    """Join openings that end now with those that begin now, bay by bay."""
    cuts = sorted({edge for o in (*past, *ongoing) for edge in (o.first_number, o.last_number + 1)})
    joined: list[Opening] = []
    for first, after in pairwise(cuts):
        parts = [_numbered(o, first, after - 1) for o in (*past, *ongoing) if o.first_number <= first <= o.last_number]
        if not parts:
            continue
        whole = _one(parts)
        if joined and _is_next(joined[-1], whole):
            joined[-1] = _numbered(joined[-1], joined[-1].first_number, whole.last_number)
        else:
            joined.append(whole)
    return joined


def _one(parts: Sequence[Opening]) -> Opening:
    """Put together what is stored of some bays and what is wanted of them; there may be only one of the two."""
    return replace(
        parts[0],
        end_min=parts[-1].end_min,
        starts=union(pair for part in parts for pair in part.starts),
        ends=union(pair for part in parts for pair in part.ends),
    )


def _is_next(opening: Opening, other: Opening) -> bool:
    """Whether the numbers of an opening go on in another that is otherwise the same."""
    return other.first_number == opening.last_number + 1 and opening == _numbered(
        other, opening.first_number, opening.last_number
    )


def _numbered(opening: Opening, first: int, last: int) -> Opening:
    return replace(opening, first_number=first, last_number=last)
