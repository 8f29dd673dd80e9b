"""Visits of cars, cleaned: what was wrong with a record, how often, and what was made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api.calendars.clock import DAY_MIN
from api.errors import TellsWhy

Minutes = NDArray[np.int64]
TREATMENTS = {
    "unreadable": "left out: a time that cannot be read",
    "no_times": "left out: neither entry nor exit",
    "exit_before_entry": "left out: one of its times must be wrong, and nobody can tell which",
    "far_date": "left out: more than five years from the middle of the record",
    "no_exit": "kept: taken to stay as long as all but one in a hundred visits",
    "no_entry": "kept: taken to have stayed as long as all but one in a hundred visits",
    "zero_length": "kept: entry and exit in one minute take no bay",
    "repeated": "kept: two cars may come and go in the same minutes",
    "overlapping": "joined: one car was inside already, so its exit was missed",
    "out_of_order": "kept: put in order",
    "over_a_week": "kept: a car that stayed longer than seven days",
}
_FAR_MIN = 5 * 366 * DAY_MIN
_LONG_SHARE = 0.99


class UnusableRecords(TellsWhy):
    """Records that cannot be read, or are too few to say anything from."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a record: local minutes since 1970, None where the cell is empty."""

    entry_min: int | None
    exit_min: int | None
    car: str = ""
    unreadable: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """
    Visits in order of entry, half-open [entry, exit), (N,) local minutes since 1970.

    `faults` counts rows by what is wrong with them (a key of `TREATMENTS`); a row may have several faults.
    """

    entry_min: Minutes
    exit_min: Minutes
    rows: int
    faults: dict[str, int]

    @property
    def length_min(self) -> Minutes:
        """How long each car stayed, (N,)."""
        return self.exit_min - self.entry_min


def visits_of(rows: Iterable[Row]) -> Visits:
    """
    Clean rows into visits, counting every fault.

    Raises
    ------
    UnusableRecords
        When no row has both an entry and an exit.
    """
    faults: Counter[str] = Counter()
    count, kept = 0, []
    for row in rows:
        count += 1
        fault = _fault_of(row)
        if fault:
            faults[fault] += 1
        else:
            kept.append(row)
    kept = _near(kept, faults)
    entry, leaving = _completed(kept, faults)
    _count_harmless(entry, leaving, faults)
    order = np.lexsort((leaving, entry))
    entry, leaving = _joined([kept[k].car for k in order], entry[order], leaving[order], faults)
    order = np.lexsort((leaving, entry))
    return Visits(entry[order], leaving[order], count, {name: faults[name] for name in TREATMENTS if faults[name]})


def _fault_of(row: Row) -> str | None:
    if row.unreadable:
        return "unreadable"
    if row.entry_min is None and row.exit_min is None:
        return "no_times"
    if row.entry_min is not None and row.exit_min is not None and row.exit_min < row.entry_min:
        return "exit_before_entry"
    return None


def _near(rows: list[Row], faults: Counter[str]) -> list[Row]:
    """Leave out rows far from the middle of the record: a clock that was never set would stretch it by decades."""
    known = [m for row in rows for m in (row.entry_min, row.exit_min) if m is not None]
    if not known:
        raise UnusableRecords("no row of the record has a time that can be read")
    middle = int(np.median(known))
    near = [row for row in rows if all(m is None or abs(m - middle) <= _FAR_MIN for m in (row.entry_min, row.exit_min))]
    faults["far_date"] += len(rows) - len(near)
    return near


def _completed(rows: list[Row], faults: Counter[str]) -> tuple[Minutes, Minutes]:
    """Fill in a missing entry or exit with a long stay, so that an unknown car rather takes a bay than none."""
    lengths = [r.exit_min - r.entry_min for r in rows if r.entry_min is not None and r.exit_min is not None]
    if not lengths:
        raise UnusableRecords("no row of the record has both an entry and an exit")
    long = int(np.quantile(lengths, _LONG_SHARE))
    faults["no_exit"] += sum(row.exit_min is None for row in rows)
    faults["no_entry"] += sum(row.entry_min is None for row in rows)
    entry = [r.entry_min if r.entry_min is not None else (r.exit_min or 0) - long for r in rows]
    leaving = [r.exit_min if r.exit_min is not None else (r.entry_min or 0) + long for r in rows]
    return np.array(entry, dtype=np.int64), np.array(leaving, dtype=np.int64)


def _count_harmless(entry: Minutes, leaving: Minutes, faults: Counter[str]) -> None:
    """Count what is odd and yet kept as it is."""
    faults["zero_length"] += int((entry == leaving).sum())
    faults["over_a_week"] += int((leaving - entry > 7 * DAY_MIN).sum())
    faults["out_of_order"] += int((np.diff(entry) < 0).sum())
    faults["repeated"] += len(entry) - len(np.unique(np.stack((entry, leaving)), axis=1).T)


def _joined(cars: list[str], entry: Minutes, leaving: Minutes, faults: Counter[str]) -> tuple[Minutes, Minutes]:
    """End the visit of a car where its next begins; together they cover the same time, and the car counts once."""
    last: dict[str, int] = {}
    leaving = leaving.copy()
    for k, car in enumerate(cars):
        if not car:
            continue
        before = last.get(car)
        if before is not None and leaving[before] > entry[k]:
            faults["overlapping"] += 1
            leaving[k] = max(leaving[k], leaving[before])
            leaving[before] = entry[k]
        last[car] = k
    return entry, leaving
