"""OR-Tools engines behind one array interface: a linear or whole-number programme in, its answer and duals out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from ortools.linear_solver.python import model_builder_helper as mbh

from allocator.errors import EngineFailed

FEW_NODES = 100
"""Up to so many nodes a programme in whole numbers is solved with quick settings."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Programme:
    """
    Maximise value · x, rows · x ≤ limit, low ≤ x ≤ high.

    N columns and M rows: `value`, `low`, `high` (N,), `rows` (M, N), `limit` and `at_least` (M,), the latter −∞ where a
    row has only an upper limit.
    """

    value: Floats
    high: Floats
    rows: scipy.sparse.csr_matrix
    limit: Floats
    at_least: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """`x` (N,), the engine's own bound, whether it proved `x` optimal, and duals (M,) of a linear programme."""

    x: Floats
    bound: float
    optimal: bool
    duals: Floats | None


def solve_linear(programme: Programme, *, engine: str = "GLOP", limit_s: float | None = None) -> Answer:
    """
    Solve a linear programme to optimality, within `limit_s` seconds where given.

    Raises
    ------
    EngineFailed
        When the engine does not call it optimal.
    """
    solver = mbh.ModelSolverHelper(engine)
    if engine == "GLOP":
        solver.set_solver_specific_parameters("use_dual_simplex: true")
    if limit_s is not None:
        solver.set_time_limit_in_seconds(max(0.01, limit_s))
    model = _model(programme)
    solver.solve(model)
    if solver.status() != mbh.SolveStatus.OPTIMAL:
        raise EngineFailed(
            f"{engine} stopped with {solver.status().name} on a programme of {len(programme.value)} columns"
        )
    return Answer(
        x=np.asarray(solver.variable_values(), dtype=np.float64),
        bound=float(solver.objective_value()),
        optimal=True,
        duals=np.asarray(solver.dual_values(), dtype=np.float64),
    )


def solve_whole(
    programme: Programme,
    *,
    gap: float = 0.0,
    nodes: int = -1,
    limit_s: float | None = None,
    hint: Floats | None = None,
) -> Answer | None:
    """
    Solve a programme in whole numbers with SCIP, single-threaded and so repeatable unless `limit_s` cuts it short.

    Parameters
    ----------
    gap
        Stop at this relative gap.
    nodes
        Stop after so many nodes, never when negative; up to `FEW_NODES` go without strong branching and with few cuts.
    hint
        (N,) a starting point.

    Returns
    -------
    Answer or None
        The best found, None when the limits came before any answer or there is none.

    Raises
    ------
    EngineFailed
        When the engine breaks down.
    """
    solver = mbh.ModelSolverHelper("SCIP")
    if limit_s is not None:
        solver.set_time_limit_in_seconds(max(0.01, limit_s))
    solver.set_solver_specific_parameters(
        _settings(nodes)
        + f"limits/gap = {gap:.12g}\nlimits/nodes = {nodes}\ndisplay/verblevel = 0\nparallel/maxnthreads = 1\n"
        + "misc/catchctrlc = FALSE\n"  # an interruption is for the whole program to hear, not to be kept
    )
    model = _model(programme)
    for column in range(len(programme.value)):
        model.set_var_integrality(column, True)
    if hint is not None:
        for column, value in enumerate(hint.tolist()):
            model.add_hint(column, value)
    solver.solve(model)
    status = solver.status()
    if status in (mbh.SolveStatus.INFEASIBLE, mbh.SolveStatus.NOT_SOLVED):
        return None
    if status not in (mbh.SolveStatus.OPTIMAL, mbh.SolveStatus.FEASIBLE):
        raise EngineFailed(f"SCIP stopped with {status.name} on a programme of {len(programme.value)} columns")
    return Answer(
        x=np.asarray(solver.variable_values(), dtype=np.float64),
        bound=float(solver.best_objective_bound()),
        optimal=status == mbh.SolveStatus.OPTIMAL,
        duals=None,
    )


def _plain(array: Floats) -> Any:  # noqa: ANN401  (the library's stubs ask for a type no array has)
    return array


def _settings(nodes: int) -> str:
    """
    Presolve little, since programmes here are small and tight; on a small budget branch cheaply and cut little.

    On a hundred neighbourhoods of four cities that gave as much as full settings in half the time.
    """
    presolve = "presolving/maxrounds = 3\npropagating/probing/maxprerounds = 0\n"
    if not 0 <= nodes <= FEW_NODES:
        return presolve
    return presolve + "branching/pscost/priority = 1000000\nseparating/maxrounds = 0\nseparating/maxroundsroot = 2\n"


def _model(programme: Programme) -> mbh.ModelBuilderHelper:
    model = mbh.ModelBuilderHelper()
    model.fill_model_from_sparse_data(
        _plain(np.zeros(len(programme.value))),
        _plain(programme.high),
        _plain(programme.value),
        _plain(programme.at_least),
        _plain(programme.limit),
        programme.rows,
    )
    model.set_maximize(True)
    return model
