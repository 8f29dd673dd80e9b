"""Problems, and what else all operations share, as parts of the description of the interface."""

from __future__ import annotations

from typing import Any

from api.accounts.refusals import NotAllowed, NotSignedIn
from api.bookings.errors import KeyMissing
from api.errors import DatabaseUnavailable
from api.facilities.errors import FileNotAccepted, SupplyConflict, VersionMissing, VersionStale
from api.facilities.queries import FacilityNotFound
from api.problems import PROBLEMS, type_of

NO_CHANGE = "#/components/responses/NotModified"
_RETRY = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}

SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "What went wrong (RFC 9457); some problems have more fields, which their operation names.",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string", "description": "Which problem, for programs; stays the same within a version"},
            "title": {"type": "string", "description": "Which problem, for people"},
            "status": {"type": "integer", "description": "The status of the answer"},
            "detail": {"type": "string", "description": "What to do about it; never what was sent"},
        },
        "additionalProperties": True,
    },
    "RequestProblem": {
        "description": "A request that was not understood, with every part that is wrong.",
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {
            "errors": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/RequestFault"},
            }
        },
    },
    "RequestFault": {
        "type": "object",
        "description": "One thing that is wrong: in a request `where` it is, in a file `line` and `field`.",
        "required": ["what"],
        "properties": {
            "where": {"type": "array", "items": {"type": "string"}, "description": "As `body`, `from`"},
            "line": {"type": "integer", "description": "Line of the file"},
            "field": {"type": "string", "description": "Column or field of the file"},
            "what": {"type": "string", "description": "What is wrong with it"},
        },
    },
}

HEADERS: dict[str, Any] = {
    "ETag": {"description": "The version of what is sent", "schema": {"type": "string"}},
    "RetryAfter": {"description": "Seconds to wait before asking again", "schema": {"type": "integer", "minimum": 1}},
    "WWWAuthenticate": {"description": "How to sign in: Bearer", "schema": {"type": "string"}},
}

PARAMETERS: dict[str, Any] = {
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "An ETag that one has: the answer is 304 where it is still the one",
        "schema": {"type": "string"},
    }
}


def _problem(words: str, example: tuple[str, str, int, str], **more: object) -> dict[str, Any]:
    kind, title, status, detail = example
    return {
        "description": words,
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": {"type": kind, "title": title, "status": status, "detail": detail},
            }
        },
        **more,
    }


def _told(kind: type[Exception]) -> tuple[str, str, int, str]:
    """Give an error as the service tells it."""
    status, title, detail = PROBLEMS[kind]
    return type_of(title), title, status, detail


_NOT_UNDERSTOOD = _problem(
    "Understood in form but not in meaning; `errors` names every part that is wrong.",
    ("request-not-understood", "Request not understood", 422, "A part of the request is missing or of the wrong kind."),
)
_NOT_UNDERSTOOD["content"]["application/problem+json"]["schema"] = {"$ref": "#/components/schemas/RequestProblem"}
_NOT_UNDERSTOOD["content"]["application/problem+json"]["example"]["errors"] = [
    {"where": ["body", "to"], "what": "Field required"}
]

RESPONSES: dict[str, Any] = {
    "NotModified": {
        "description": "Nothing has changed since the ETag in If-None-Match.",
        "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
    },
    "Malformed": _problem(
        "The body cannot be read, or a header that is needed is missing.",
        _told(KeyMissing),
    ),
    "NotSignedIn": _problem(
        "Nobody is signed in, or what was shown opens nothing.",
        _told(NotSignedIn),
        headers={"WWW-Authenticate": {"$ref": "#/components/headers/WWWAuthenticate"}},
    ),
    "NotAllowed": _problem(
        "The account may not do this, has no household where one is needed, or the page is out of date.",
        _told(NotAllowed),
    ),
    "NotFound": _problem(
        "There is no such thing, or it is not one's own.",
        _told(FacilityNotFound),
    ),
    "Conflict": _problem(
        "What was asked for does not fit the state things are in.",
        _told(SupplyConflict),
    ),
    "Stale": _problem(
        "Somebody changed it in the meantime.",
        _told(VersionStale),
    ),
    "TooLarge": _problem(
        "The body is longer than this address takes.",
        ("body-too-large", "Body too large", 413, "The request is longer than this address takes; send less at once."),
    ),
    "OtherKind": _problem(
        "A file of another kind.",
        _told(FileNotAccepted),
    ),
    "OutsideRange": _problem(
        "The range lies outside what there is.",
        ("bad-range", "Range not understood", 416, "The range lies outside the archive."),
    ),
    "NotUnderstood": _NOT_UNDERSTOOD,
    "VersionMissing": _problem(
        "If-Match is missing.",
        _told(VersionMissing),
    ),
    "TooManyRequests": _problem(
        "Too much in too short a time.",
        (
            "too-many-requests",
            "Too many requests",
            429,
            "Too many requests came in a short time; Retry-After says in how many seconds to ask again.",
        ),
        headers=_RETRY,
    ),
    "Unavailable": _problem(
        "The database cannot be used at the moment; nothing was half done. Send the same again.",
        _told(DatabaseUnavailable),
        headers=_RETRY,
    ),
}
"""Answers that many operations share, by name."""

SHARED = {
    "400": "Malformed",
    "401": "NotSignedIn",
    "403": "NotAllowed",
    "404": "NotFound",
    "409": "Conflict",
    "412": "Stale",
    "413": "TooLarge",
    "415": "OtherKind",
    "416": "OutsideRange",
    "422": "NotUnderstood",
    "428": "VersionMissing",
    "429": "TooManyRequests",
    "503": "Unavailable",
}
"""Which of them is meant by a status."""
