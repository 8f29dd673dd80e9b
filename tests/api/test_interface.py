"""The description of the interface is complete: whoever reads nothing else can write a program against it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from api.app import create_app
from api.db.connection import make_engine
from api.interface.problem_schemas import SHARED
from api.interface.words import EXAMPLES, PARAMETERS, TAGS
from api.problems import PROBLEMS
from tests.api.accounts import settings_of_tests

Description = dict[str, Any]
_METHODS = ("get", "put", "post", "delete", "patch")


@pytest.fixture(scope="module")
def described() -> Description:
    """Describe an app; no database is asked."""
    return create_app(settings_of_tests(), make_engine("postgresql://nobody@/nothing?host=/nowhere")).openapi()


def operations(described: Description) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert method in _METHODS
            yield method, path, operation


def resolved(described: Description, part: dict[str, Any]) -> Any:  # noqa: ANN401 -- JSON
    """Follow a reference; whatever is none stays."""
    while "$ref" in part:
        found: Any = described
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_it_says_what_this_is_and_under_which_licence(described: Description) -> None:
    about = described["info"]
    assert {"title", "summary", "description", "version", "license"} <= set(about)
    assert about["license"]["identifier"] == "Apache-2.0"
    assert described["servers"] == [{"url": "/", "description": "The service that gave this description"}]
    for word in ("Idempotency-Key", "If-Match", "RFC 9457", "UTC", "Retry-After"):
        assert word in about["description"]


def test_every_operation_says_what_it_does_in_a_group_that_is_explained(described: Description) -> None:
    groups = [tag["name"] for tag in described["tags"]]
    assert groups == list(TAGS)
    used = set()
    for method, path, operation in operations(described):
        assert operation["summary"], (method, path)
        assert operation["description"].endswith((".", ")")), (method, path)
        assert set(operation["tags"]) <= set(groups), (method, path)
        used |= set(operation["tags"])
    assert used == set(groups), "no group is empty"


def test_every_operation_has_a_short_name_of_its_own(described: Description) -> None:
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z_]{3,60}", name) for name in names)


def test_every_parameter_is_explained(described: Description) -> None:
    used = set()
    for method, path, operation in operations(described):
        for parameter in (resolved(described, one) for one in operation.get("parameters", [])):
            assert parameter.get("description"), (method, path, parameter["name"])
            used.add(parameter["name"])
    assert set(PARAMETERS) <= used, "no word is left over"


def test_every_answer_is_explained(described: Description) -> None:
    for method, path, operation in operations(described):
        for status, response in operation["responses"].items():
            words = resolved(described, response)["description"]
            assert words, (method, path, status)
            assert words not in ("Successful Response", "Validation Error"), (method, path, status)


def test_every_refusal_is_a_problem(described: Description) -> None:
    for method, path, operation in operations(described):
        for status, response in operation["responses"].items():
            if not status.startswith(("4", "5")):
                continue
            content = resolved(described, response)["content"]
            assert list(content) == ["application/problem+json"], (method, path, status)
            schema = content["application/problem+json"]["schema"]
            assert "Problem" in str(schema), (method, path, status)


def test_every_operation_names_the_refusals_that_follow_from_what_it_is(described: Description) -> None:
    for method, path, operation in operations(described):
        answers, where = set(operation["responses"]), (method, path)
        assert ("429" in answers) == (not path.startswith(("/healthz", "/readyz", "/metrics"))), where
        assert ("503" in answers) == (path not in ("/healthz", "/metrics")), where
        assert ("404" in answers) or "{" not in path, where
        assert ("422" in answers) or "requestBody" not in operation, where
        assert {"401", "403"} <= answers or not operation.get("security"), where
        names = {resolved(described, one)["name"] for one in operation.get("parameters", [])}
        assert ({"412", "428"} <= answers) == ("If-Match" in names), where
    for path in ("/v1/bookings", "/v1/bookings/{booking}/confirm"):
        assert {"401", "403", "409", "422", "429", "503"} <= set(described["paths"][path]["post"]["responses"])


def test_who_may_ask_is_said_of_every_operation_that_does_not_let_everybody(described: Description) -> None:
    assert set(described["components"]["securitySchemes"]) == {"token", "login_session"}
    public = {path for _, path, operation in operations(described) if not operation.get("security")}
    assert "/v1/neighbourhoods" in public
    assert not {path for path in public if path.startswith(("/v1/bookings", "/v1/household", "/v1/vehicle"))}


def test_nothing_is_referred_to_that_is_not_there_and_nothing_lies_about(described: Description) -> None:
    named = set(references(described))
    for reference in named:
        resolved(described, {"$ref": reference})
    kept = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    discriminated = {one for part in _mappings(described) for one in part.values()}
    assert kept - named - discriminated == set()
    assert "HTTPValidationError" not in str(described)
    for kind, parts in described["components"].items():
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in parts), kind


def _mappings(part: object) -> Iterator[dict[str, str]]:
    if isinstance(part, dict):
        if "mapping" in part:
            yield part["mapping"]
        for inner in part.values():
            yield from _mappings(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _mappings(inner)


@pytest.mark.parametrize(("method", "path"), EXAMPLES, ids=" ".join)
def test_examples_are_such_as_their_operation_takes(described: Description, method: str, path: str) -> None:
    [content] = described["paths"][path][method]["requestBody"]["content"].values()
    assert content["example"] == EXAMPLES[method, path]
    whole = {**content["schema"], "components": described["components"]}
    jsonschema_rs.validator_for(whole).validate(content["example"])


def test_the_bodies_that_people_send_most_have_an_example(described: Description) -> None:
    for path in ("/v1/accounts", "/v1/tokens", "/v1/bookings", "/v1/neighbourhoods/{neighbourhood}/free-bays"):
        [content] = described["paths"][path]["post"]["requestBody"]["content"].values()
        assert "example" in content, path


def test_examples_of_problems_are_true(described: Description) -> None:
    """What a shared refusal shows is what the service's own table, or the file named, says."""
    told = {(status, title, detail) for status, title, detail in PROBLEMS.values()}
    for name, response in described["components"]["responses"].items():
        if name in ("NotModified", "NotUnderstood", "TooLarge", "OutsideRange", "TooManyRequests"):
            continue  # none of the table's
        example = response["content"]["application/problem+json"]["example"]
        assert (example["status"], example["title"], example["detail"]) in told, name


def test_every_problem_of_the_table_has_its_shared_answer() -> None:
    assert {str(status) for status, _, _ in PROBLEMS.values()} <= set(SHARED)
