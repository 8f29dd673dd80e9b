"""Errors as answers of the service: RFC 9457 problems, one table from class to status, never what the caller sent."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_problem.error import Problem, ServerProblem
from fastapi_problem.handler import ExceptionHandler, add_exception_handler, new_exception_handler
from sqlalchemy.exc import OperationalError

from api.db.copying import UnstorableText
from api.errors import DatabaseUnavailable
from api.facilities.queries import FacilityNotFound
from api.neighbourhoods.loading import NeighbourhoodNotFound
from api.plans.queries import PlanNotFound

_logger = logging.getLogger("baytide")

PROBLEMS: dict[type[Exception], tuple[int, str, str]] = {
    NeighbourhoodNotFound: (404, "Neighbourhood not found", "There is no neighbourhood at this address."),
    FacilityNotFound: (404, "Facility not found", "There is no facility at this address."),
    PlanNotFound: (404, "Plan not found", "There is no such plan, or it has no certificate."),
    UnstorableText: (422, "Text cannot be stored", "A text holds a zero character."),
    DatabaseUnavailable: (503, "Database unavailable", "The database cannot be used at the moment; try again soon."),
    OperationalError: (503, "Database unavailable", "The database cannot be reached at the moment; try again soon."),
}
"""Error class → status, title and detail."""


class BadRange(Problem):
    """A span of time, or of bytes, that makes no sense."""

    def __init__(self, detail: str, *, status: int = 422) -> None:
        super().__init__(title="Range not understood", type_="bad-range", detail=detail, status=status)


class UnexpectedError(ServerProblem):
    """A mistake of ours; what went wrong stands in the log and not in the answer."""

    type_ = "unexpected-error"
    title = "Unexpected error"

    def __init__(self, _said: str | None = None) -> None:
        super().__init__(detail="Something went wrong here; it has been logged.")


def install_problems(app: FastAPI) -> None:
    """Let every error of the app leave as a problem."""
    handlers: dict[type[Exception], Any] = dict.fromkeys(PROBLEMS, _known_problem)
    handler = new_exception_handler(
        logger=_logger,
        handlers=handlers,
        unhandled_wrappers={"default": UnexpectedError},
        request_validation_handler=_validation_problem,
    )
    add_exception_handler(app, handler, generic_swagger_defaults=False)
    for kind in PROBLEMS:
        # Named one by one: what only the handler of last resort catches is logged as a mistake of ours.
        app.add_exception_handler(kind, handler)


def _known_problem(_handler: ExceptionHandler, _request: Request, error: Exception) -> Problem:
    status, title, detail = next(row for kind, row in PROBLEMS.items() if isinstance(error, kind))
    return Problem(title=title, type_=title.lower().replace(" ", "-"), detail=detail, status=status)


def _validation_problem(_handler: ExceptionHandler, _request: Request, error: RequestValidationError) -> Problem:
    """Name what is wrong with a request and where, without repeating its content."""
    errors = [{"where": [str(step) for step in fault["loc"]], "what": fault["msg"]} for fault in error.errors()]
    return Problem(
        title="Request not understood",
        type_="request-not-understood",
        detail="A part of the request is missing or of the wrong kind.",
        status=422,
        errors=errors,
    )
