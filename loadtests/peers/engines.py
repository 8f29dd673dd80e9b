"""
The whole model in SCIP, HiGHS and CP-SAT, each told through its array interface and stopped when it reaches a target.

All three begin with the plan of a sorted list. CP-SAT has two workers; OR-Tools gives SCIP one thread and lets nobody
set those of HiGHS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver.python import model_builder_helper as mbh
from ortools.math_opt import callback_pb2, model_parameters_pb2, model_pb2, parameters_pb2, result_pb2
from ortools.math_opt.core.python import solver as math_opt
from ortools.sat.python import cp_model

from allocator.presolve import presolve
from api.planning.compiling import Compiled
from loadtests.peers import ENGINES
from loadtests.peers.answers import PeerAnswer, split
from loadtests.peers.whole_model import WholeModel, whole_model

Floats = NDArray[np.float64]

WORKERS = 2
NO_LEAST = -(2**62)


@dataclass(frozen=True, slots=True, eq=False)
class EngineAnswer:
    """`x` (N,) the best plan, None without one; the engine's own bound in metres; whether the plan is proven best."""

    x: Floats | None
    bound_m: float | None
    optimal: bool


Engine = Callable[[WholeModel, int, float], EngineAnswer]
"""Solves a model up to a target in metres, within seconds."""


def solve_whole(compiled: Compiled, *, engine: str, target_m: int, limit_s: float) -> PeerAnswer:
    """Let an engine solve the presolved model of a case until it reaches `target_m` metres or the limit in seconds."""
    problem = presolve(compiled.instance)
    answer = SOLVERS[engine](whole_model(problem), target_m, limit_s)
    if answer.x is None:
        return PeerAnswer(taken=None, bound_m=answer.bound_m, ended="limit")
    taken = np.rint(answer.x).astype(np.int64)
    reached = int(taken @ problem.pair_value_m) >= target_m
    return PeerAnswer(
        taken=split(compiled.instance, problem, taken),
        bound_m=answer.bound_m,
        ended="optimal" if answer.optimal else "target" if reached else "limit",
    )


def _scip(model: WholeModel, target_m: int, limit_s: float) -> EngineAnswer:
    builder: Any = mbh.ModelBuilderHelper()
    builder.fill_model_from_sparse_data(
        np.zeros(len(model.value_m)),
        model.high.astype(np.float64),
        model.value_m.astype(np.float64),
        np.full(len(model.limit), -np.inf),
        model.limit.astype(np.float64),
        model.rows,
    )
    builder.set_maximize(True)
    for column, value in enumerate(model.hint.tolist()):
        builder.set_var_integrality(column, True)
        builder.add_hint(column, value)
    solver = mbh.ModelSolverHelper("SCIP")
    solver.set_time_limit_in_seconds(limit_s)
    solver.set_solver_specific_parameters(f"limits/primal = {target_m}\nlimits/gap = 0\ndisplay/verblevel = 0\n")
    solver.solve(builder)
    status = solver.status()
    if status not in (mbh.SolveStatus.OPTIMAL, mbh.SolveStatus.FEASIBLE):
        return EngineAnswer(x=None, bound_m=None, optimal=False)
    return EngineAnswer(
        x=np.asarray(solver.variable_values(), dtype=np.float64),
        bound_m=float(solver.best_objective_bound()),
        optimal=status == mbh.SolveStatus.OPTIMAL,
    )


def _highs(model: WholeModel, target_m: int, limit_s: float) -> EngineAnswer:
    settings = parameters_pb2.SolveParametersProto(relative_gap_tolerance=0.0, absolute_gap_tolerance=0.0)
    settings.time_limit.FromMilliseconds(round(1000 * limit_s))
    settings.highs.double_options["objective_target"] = target_m
    start = model_parameters_pb2.ModelSolveParametersProto()
    hint = start.solution_hints.add()
    hint.variable_values.ids.extend(range(len(model.hint)))
    hint.variable_values.values.extend(model.hint.astype(np.float64).tolist())
    answer = math_opt.solve(
        _math_opt_model(model),
        parameters_pb2.SOLVER_TYPE_HIGHS,
        parameters_pb2.SolverInitializerProto(),
        settings,
        start,
        None,
        callback_pb2.CallbackRegistrationProto(),
        None,
        None,
    )
    bound = answer.termination.objective_bounds.dual_bound
    optimal = answer.termination.reason == result_pb2.TERMINATION_REASON_OPTIMAL
    if not answer.solutions:
        return EngineAnswer(x=None, bound_m=bound, optimal=False)
    found = answer.solutions[0].primal_solution.variable_values
    x = np.zeros(len(model.value_m))
    x[np.array(found.ids, dtype=np.int64)] = np.array(found.values)
    return EngineAnswer(x=x, bound_m=bound, optimal=optimal)


def _math_opt_model(model: WholeModel) -> model_pb2.ModelProto:
    columns, rows, entries = len(model.value_m), len(model.limit), model.rows.tocoo()
    order = np.lexsort((entries.col, entries.row))
    proto = model_pb2.ModelProto()
    proto.variables.ids.extend(range(columns))
    proto.variables.lower_bounds.extend([0.0] * columns)
    proto.variables.upper_bounds.extend(model.high.astype(np.float64).tolist())
    proto.variables.integers.extend([True] * columns)
    proto.objective.maximize = True
    proto.objective.linear_coefficients.ids.extend(range(columns))
    proto.objective.linear_coefficients.values.extend(model.value_m.astype(np.float64).tolist())
    proto.linear_constraints.ids.extend(range(rows))
    proto.linear_constraints.lower_bounds.extend([-np.inf] * rows)
    proto.linear_constraints.upper_bounds.extend(model.limit.astype(np.float64).tolist())
    proto.linear_constraint_matrix.row_ids.extend(entries.row[order].tolist())
    proto.linear_constraint_matrix.column_ids.extend(entries.col[order].tolist())
    proto.linear_constraint_matrix.coefficients.extend(entries.data[order].tolist())
    return proto


class _StopAt(cp_model.CpSolverSolutionCallback):
    """Stops the search at the first plan of so many metres."""

    def __init__(self, target_m: int) -> None:
        super().__init__()
        self._target_m = target_m

    def on_solution_callback(self) -> None:
        """Hear of a better plan."""
        if self.objective_value >= self._target_m:
            self.stop_search()


def _cp_sat(model: WholeModel, target_m: int, limit_s: float) -> EngineAnswer:
    programme = _cp_sat_model(model)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = WORKERS
    solver.parameters.max_time_in_seconds = limit_s
    status = solver.solve(programme, _StopAt(target_m))
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return EngineAnswer(x=None, bound_m=None, optimal=False)
    return EngineAnswer(
        x=np.array(solver.response_proto.solution, dtype=np.float64),
        bound_m=float(solver.best_objective_bound),
        optimal=status == cp_model.OPTIMAL,
    )


def _cp_sat_model(model: WholeModel) -> cp_model.CpModel:
    """Write groups of one demand as "at most one", everything else as a linear row."""
    programme = cp_model.CpModel()
    proto = programme.proto
    columns = range(len(model.value_m))
    for high in model.high.tolist():
        proto.variables.add().domain.extend([0, high])
    ends, members = model.rows.indptr.tolist(), model.rows.indices
    for row, limit in enumerate(model.limit.tolist()):
        inside = members[ends[row] : ends[row + 1]].tolist()
        if row < model.num_groups and limit == 1:
            proto.constraints.add().at_most_one.literals.extend(inside)
        else:
            linear = proto.constraints.add().linear
            linear.vars.extend(inside)
            linear.coeffs.extend([1] * len(inside))
            linear.domain.extend([NO_LEAST, limit])
    proto.objective.vars.extend(columns)
    proto.objective.coeffs.extend((-model.value_m).tolist())
    proto.objective.scaling_factor = -1.0  # the engine minimises
    proto.solution_hint.vars.extend(columns)
    proto.solution_hint.values.extend(model.hint.tolist())
    return programme


SOLVERS: Mapping[str, Engine] = MappingProxyType(dict(zip(ENGINES, (_scip, _highs, _cp_sat), strict=True)))
