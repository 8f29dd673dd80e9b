"""A neighbourhood solved, and its plan read back as a base."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from api.neighbourhoods.model import Neighbourhood
from api.planning.allocate import Allocation, allocate
from api.planning.base_plan import BasePlan, read_base


def solved_base(neighbourhood: Neighbourhood) -> tuple[Allocation, BasePlan]:
    done = allocate(neighbourhood)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plan.json"
        path.write_bytes(orjson.dumps(done.plan))
        path.with_name("certificate.json").write_bytes(orjson.dumps(done.certificate))
        return done, read_base(path)
