"""Advice in JSON, in the same words for the command line and the service."""

from __future__ import annotations

from typing import Any

from api.calendars.clock import date_of, hours_text
from api.capacity.advising import DAY_KINDS, NIGHT_KINDS, Advice, Line
from api.capacity.testing import Score
from api.capacity.visits import TREATMENTS

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def advice_json(advice: Advice) -> dict[str, Any]:
    """Show advice with what it rests on."""
    asked, peaks = advice.question, advice.peaks
    return {
        "bays": asked.bays,
        "confidence": asked.confidence,
        "window": {"from": hours_text(asked.window[0]), "to": hours_text(asked.window[1])},
        "calendar": asked.country,
        "record": {
            "rows": advice.visits.rows,
            "visits": len(advice.visits.entry_min),
            "first": date_of(int(peaks.days[0])).isoformat(),
            "last": date_of(int(peaks.days[-1])).isoformat(),
            "whole_days": int(peaks.whole_day.sum()),
            "days_left_out": peaks.left_out,
            "most_cars": peaks.most,
            "faults": [
                {"fault": name, "rows": count, "treatment": TREATMENTS[name]}
                for name, count in advice.visits.faults.items()
            ],
        },
        "hours": [_line_json(line, DAY_KINDS) | {"safe": _numbers(line)} for line in advice.hours],
        "nights": [
            _line_json(line, NIGHT_KINDS) | {"safe": line.safe[0] if line.safe else None} for line in advice.nights
        ],
        "daily": advice.daily,
        "back_test": {"hours": _test_json(advice.hours_test), "nights": _test_json(advice.nights_test)},
        "warnings": list(advice.warnings),
    }


def _numbers(line: Line) -> list[int] | None:
    return list(line.safe) if line.safe else None


def _line_json(line: Line, kinds: tuple[str, ...]) -> dict[str, Any]:
    return {"weekday": WEEKDAYS[line.weekday], "kind": kinds[line.kind], "basis": line.basis, "days": line.days}


def _test_json(scores: tuple[Score, Score] | None) -> dict[str, Any] | None:
    if scores is None:
        return None
    return {"order_statistics": _score_json(scores[0]), "mean_minus_2_sigma": _score_json(scores[1])}


def _score_json(score: Score) -> dict[str, Any]:
    return {
        "days": score.days,
        "coverage": round(score.coverage, 4),
        "coverage_low": round(score.low, 4),
        "coverage_high": round(score.high, 4),
        "coverage_worst_hour": round(score.worst, 4),
        "offered_bays": round(score.offered, 2),
        "unused_bays": round(score.unused, 2),
        "drifting": score.drifting,
    }
