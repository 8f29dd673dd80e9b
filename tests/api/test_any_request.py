"""Whatever is sent to any address, as anybody: an answer of the description's kind, and never a mistake of ours."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import Engine

from api.app import create_app
from tests.api.accounts import make_owner, make_planner, make_resident, settings_of_tests
from tests.api.booking_town import make_town
from tests.conftest import empty_database

FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
ERRORS = 400
Operation = APIOperation[Any, Any, Any, Any]
MANY = 20
AS_DESCRIBED = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def described(worker_engine: Engine) -> schemathesis.BaseSchema:
    """Describe an app on a town with somebody of every kind; what is sent changes the database, and that is kept."""
    empty_database(worker_engine)
    with worker_engine.begin() as connection:
        town = make_town(connection, bays=20)
    people = (
        make_resident(worker_engine, town.home),
        make_planner(worker_engine),
        make_owner(worker_engine),
    )
    anywhere = settings_of_tests().model_copy(update={"host": "::"})  # whatever name the caller calls us by
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(anywhere, worker_engine))
    schema.people = people  # type: ignore[attr-defined]  # carried along for the test
    return schema


def test_no_request_breaks_the_service_and_every_answer_is_as_described(described: schemathesis.BaseSchema) -> None:
    results = list(described.get_all_operations())
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(operations) == len(results) > MANY
    for operation in operations:
        _send_what_comes_to_mind(operation, described)


def _send_what_comes_to_mind(operation: Operation, described: schemathesis.BaseSchema) -> None:
    people = ({}, *(somebody.headers for somebody in described.people))  # type: ignore[attr-defined]  # see there

    @FEW
    @given(case=operation.as_strategy())
    def send(case: schemathesis.Case[Any]) -> None:
        for headers in people:
            answer = case.call(headers=headers)
            case.validate_response(answer, checks=AS_DESCRIBED)
            if answer.status_code >= ERRORS and answer.content:
                assert answer.headers["content-type"][0].startswith(("application/problem+json", "text/html")), case

    send()
