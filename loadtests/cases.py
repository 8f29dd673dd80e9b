"""One thing to solve: a synthetic city by regime, size and seed, or a neighbourhood folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from api.neighbourhoods.exporting import write_folder
from api.neighbourhoods.model import Neighbourhood
from api.neighbourhoods.read import read_folder
from api.planning.compiling import Compiled, compile_neighbourhood
from api.planning.walking import walks_of
from loadtests.cities import city_of, make_city
from loadtests.errors import BadCity


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A city (`regime`, `demands`, `seed`), or the folder at `folder`."""

    regime: str = "balanced"
    demands: int = 0
    seed: int = 0
    folder: str | None = None

    @property
    def name(self) -> str:
        """Words for people."""
        if self.folder is not None:
            return Path(self.folder).name
        return f"{self.regime}, {self.demands:,} demands, seed {self.seed}"

    def as_json(self) -> dict[str, Any]:
        """Return the fields, for a job's file."""
        return asdict(self)

    def neighbourhood(self) -> Neighbourhood:
        """Make the city, or read the folder."""
        if self.folder is not None:
            return read_folder(Path(self.folder))
        return make_city(city_of(self.regime, demands=self.demands, seed=self.seed))

    def folder_under(self, place: Path) -> Path:
        """Return the case as a folder: its own, or one written into an empty `place`."""
        if self.folder is not None:
            return Path(self.folder)
        write_folder(self.neighbourhood(), place)
        return place

    def require_possible(self) -> None:
        """Raise BadCity, with words, when there is no such case."""
        if self.folder is None:
            city_of(self.regime, demands=self.demands, seed=self.seed)
        elif not (Path(self.folder) / "neighbourhood.toml").is_file():
            raise BadCity(f"{self.folder} is not a neighbourhood folder: it has no neighbourhood.toml")


def compile_case(neighbourhood: Neighbourhood) -> Compiled:
    """Compile a neighbourhood as `baytide allocate` does."""
    return compile_neighbourhood(neighbourhood, walks_of(neighbourhood))
