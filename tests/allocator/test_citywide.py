"""Cities planned district by district: nobody is lost or served twice, and the number of workers changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import numpy as np
import pytest

from allocator import citywide
from allocator.citywide import plan_citywide
from allocator.clock import Clock
from allocator.core import losses_of
from allocator.crew import Crew
from allocator.descent import Prices, descend_prices
from allocator.districts import Atlas
from allocator.planning import Job, plan_district
from allocator.presolve import Problem, presolve
from allocator.rounding import Draft
from tests.allocator.cities import city


@pytest.fixture(scope="module")
def problem() -> Problem:
    return presolve(city(demands=1500, bay_groups=60, seed=4))


@pytest.fixture(scope="module")
def prices(problem: Problem) -> Prices:
    return descend_prices(problem)


@pytest.fixture(autouse=True)
def small_districts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small city has several."""
    monkeypatch.setattr(citywide, "DISTRICT_PAIRS", 500)
    monkeypatch.setattr(citywide, "LATER", ((300, 10_000), (600, 10_000)))


def planned(problem: Problem, prices: Prices, crew: Crew, clock: Clock | None = None) -> tuple[Draft, dict[str, int]]:
    return plan_citywide(
        problem,
        price=prices.lambda_m,
        bound_m=int(prices.bound_m),
        start=None,
        spare_m=0.0,
        crew=crew,
        clock=clock or Clock(),
        progress=lambda _value: None,
    )


def require_kept_rules(problem: Problem, draft: Draft) -> None:
    served = np.bincount(problem.pair_group(), weights=draft.taken, minlength=problem.num_groups)
    assert (served <= problem.group_count).all()
    assert (problem.load_of(draft.taken) <= problem.row_capacity).all()
    assert draft.residual.tolist() == (problem.row_capacity - problem.load_of(draft.taken)).tolist()


def test_a_city_planned_by_districts_keeps_the_rules_and_comes_near_the_bound(problem: Problem, prices: Prices) -> None:
    draft, work = planned(problem, prices, Crew(1))
    require_kept_rules(problem, draft)
    assert work["districts"] > 5
    assert prices.bound_m - problem.value_of(draft.taken) < 0.002 * prices.bound_m


def test_the_number_of_workers_does_not_change_the_plan(problem: Problem, prices: Prices) -> None:
    alone, _ = planned(problem, prices, Crew(1))
    with Crew(3) as crew:
        together, _ = planned(problem, prices, crew)
    assert alone.taken.tolist() == together.taken.tolist()


def test_a_worker_that_dies_is_replaced_and_the_plan_is_the_same(problem: Problem, prices: Prices) -> None:
    alone, _ = planned(problem, prices, Crew(1))
    with Crew(2) as crew:
        crew.gather()
        killed = crew.processes[0]
        os.kill(killed, signal.SIGKILL)
        draft, _ = planned(problem, prices, crew)
        assert killed not in crew.processes
    assert draft.taken.tolist() == alone.taken.tolist()


def test_a_job_that_no_worker_survives_leaves_its_district_as_it_was(
    problem: Problem, prices: Prices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", _short_lived(subprocess.Popen))
    with Crew(2) as crew:
        draft, work = planned(problem, prices, crew)
    require_kept_rules(problem, draft)
    assert work["neighbourhoods"] == 0
    assert work["unplanned_districts"] == work["districts"]
    assert problem.value_of(draft.taken) > 0


def _short_lived(popen: type[subprocess.Popen[bytes]]) -> Callable[..., subprocess.Popen[bytes]]:
    """Start processes that read a little and die."""

    def start(_command: object, **options: object) -> subprocess.Popen[bytes]:
        return popen([sys.executable, "-c", "import sys; sys.stdin.buffer.read(100)"], **options)  # type: ignore[call-overload,no-any-return]  # as it came

    return start


def test_without_time_there_is_still_a_plan_that_keeps_the_rules(problem: Problem, prices: Prices) -> None:
    with Crew(2) as crew:
        draft, _ = planned(problem, prices, crew, Clock(0.0))
    require_kept_rules(problem, draft)
    assert problem.value_of(draft.taken) > 0


def test_workers_import_nothing_from_where_the_user_happens_to_be(
    problem: Problem, prices: Prices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()")
    monkeypatch.chdir(tmp_path)
    with Crew(2) as crew:
        draft, work = planned(problem, prices, crew)
    assert not (tmp_path / "executed").exists()
    assert "unplanned_districts" not in work
    assert problem.value_of(draft.taken) > 0


def test_a_stopped_clock_ends_the_work_and_keeps_a_plan(problem: Problem, prices: Prices) -> None:
    clock = Clock()
    timer = Timer(0.5, clock.stop)
    timer.start()
    with Crew(2) as crew:
        draft, _ = planned(problem, prices, crew, clock)
    timer.join()
    require_kept_rules(problem, draft)
    assert problem.value_of(draft.taken) > 0


def test_a_crew_leaves_no_process_behind() -> None:
    with Crew(2) as crew:
        crew.gather()
        started = crew.processes
    for process in started:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_every_bay_group_is_in_one_district(problem: Problem, prices: Prices) -> None:
    loss, _ = losses_of(problem, prices.lambda_m)
    atlas = Atlas(problem, near=loss <= 40, kept=loss <= 150)
    parts = atlas.parted(300)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(atlas.weight)))
    assert len(parts) > 5


def test_a_district_keeps_values_rows_and_footprints(problem: Problem) -> None:
    everything = np.ones(problem.num_pairs, dtype=np.bool_)
    atlas = Atlas(problem, near=everything, kept=everything)
    members = np.array([3, 4, 17])
    district = atlas.cut(members, free=problem.group_count, residual=problem.row_capacity)
    part = district.problem
    assert set(members[part.pair_bay_group].tolist()) <= {3, 4, 17}
    assert part.pair_value_m.tolist() == problem.pair_value_m[district.pairs].tolist()
    for pair, original in enumerate(district.pairs.tolist()):
        foot, its = part.pair_footprint[pair], problem.pair_footprint[original]
        rows = part.foot_rows[part.foot_ptr[foot] : part.foot_ptr[foot + 1]]
        assert (
            district.rows[rows].tolist()
            == problem.foot_rows[problem.foot_ptr[its] : problem.foot_ptr[its + 1]].tolist()
        )


def test_a_planned_district_is_never_worse_than_it_was(problem: Problem, prices: Prices) -> None:
    first = plan_district(Job(problem, prices.lambda_m, None, 0.0, 0, None), clock=Clock())
    again = plan_district(Job(problem, prices.lambda_m, first.taken, 0.0, 20_000, None), clock=Clock())
    assert problem.value_of(again.taken) >= problem.value_of(first.taken)


@pytest.mark.parametrize("seed", range(4, 12))
def test_a_district_with_a_bay_group_that_nobody_left_can_use_is_planned_like_any_other(seed: int) -> None:
    whole = presolve(city(demands=600, bay_groups=12, seed=seed))
    everything = np.ones(whole.num_pairs, dtype=np.bool_)
    atlas = Atlas(whole, near=everything, kept=everything)
    last = whole.num_bay_groups - 1
    free = whole.group_count.copy()
    free[np.unique(whole.pair_group()[whole.pair_bay_group == last])] = 0
    district = atlas.cut(np.arange(last + 1), free=free, residual=whole.row_capacity)
    assert last not in district.problem.pair_bay_group
    price = descend_prices(whole, finest_m=5.0).lambda_m[district.rows]
    done = plan_district(Job(district.problem, price, None, 0.0, 10_000, None), clock=Clock())
    assert (district.problem.load_of(done.taken) <= district.problem.row_capacity).all()
    assert district.problem.value_of(done.taken) > 0
