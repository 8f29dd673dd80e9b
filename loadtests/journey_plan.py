"""What a load generator is to do, handed to its process as a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PLAN_VARIABLE = "BAYTIDE_LOAD_PLAN"


@dataclass(frozen=True, slots=True)
class JourneyPlan:
    """
    Arrivals to make, and who arrives.

    Attributes
    ----------
    neighbourhood
        Its slug.
    residents, owners, gates
        (token, id of the home or the facility that is theirs).
    nights
        (from, to) that can be booked, as ISO 8601.
    steps
        (arrivals a second, seconds), one after the other until the service is saturated.
    steady_share, steady_s
        What comes then: for so long at a share of the rate that saturated it, or of the last step's.
    most_arrivals
        Arrivals after which no more come, whatever the steps say.
    run
        Makes the request keys of this run its own.
    answers
        File to write what was answered to.
    """

    neighbourhood: str
    residents: list[tuple[str, int]]
    owners: list[tuple[str, int]]
    gates: list[tuple[str, int]]
    nights: list[tuple[str, str]]
    steps: list[tuple[float, float]]
    steady_share: float
    steady_s: float
    most_arrivals: int
    seed: int
    run: str
    answers: str

    def write(self, file: Path) -> None:
        """Write as JSON."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> JourneyPlan:
        """Read what `write` wrote."""
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for key in ("residents", "owners", "gates", "nights", "steps"):
            content[key] = [tuple(pair) for pair in content[key]]
        return cls(**content)


@dataclass(frozen=True, slots=True)
class RushPlan:
    """Residents, by token, who all want a bay at one facility for one night at once; `answers` as of a journey plan."""

    tokens: list[str]
    facility: int
    night: tuple[str, str]
    run: str
    answers: str

    def write(self, file: Path) -> None:
        """Write as JSON."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> RushPlan:
        """Read what `write` wrote."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))
