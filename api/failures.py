"""
What goes wrong with us: logged in one line by kind and place, never in the words of the error.

Those words repeat what somebody sent: PostgreSQL's show the row that broke a rule, pydantic's the value it did not
understand. Kinds of errors, names of constraints and lines of our own code are enough to find a mistake.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger("baytide")
_OURS = Path(__file__).parent
_MOST_FRAMES = 8
_MISTAKE = 500


class AnswerCutOff(Exception):
    """An answer that had begun could not be finished; why stands in the log."""


class FailuresEndHere:
    """
    Middleware: whatever nobody handles is answered as a problem, and goes no further.

    Further out are Starlette, which raises it again, and the server, which logs it with its words.
    """

    def __init__(self, app: ASGIApp, *, answer: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noted if scope["type"] == "http" else send)
        except Exception as error:  # noqa: BLE001 -- the last place that can keep its words out of the log
            if scope["type"] != "http":
                raise AnswerCutOff("not a request") from None
            answer = self._answer(Request(scope), error)
            if begun:
                raise AnswerCutOff("an answer broke off") from None
            await answer(scope, receive, send)


def log_failure(error: BaseException, *, status: int) -> None:
    """Log a failure in one line; a mistake of ours with where it happened, the innermost place first."""
    if status == _MISTAKE:
        _logger.error("request_failed status=%d kind=%s at=%s", status, kinds_of(error), places_of(error))
    else:
        _logger.warning("request_failed status=%d kind=%s", status, kinds_of(error))


def kinds_of(error: BaseException) -> str:
    """Name the classes of an error and of what led to it, without their words."""
    return "<".join(_kind(one) for one in _chain(error))


def places_of(error: BaseException) -> str:
    """Name the lines of our own code that an error and what led to it came through, the innermost first."""
    return "<".join(_places(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what led to it."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _kind(error: BaseException) -> str:
    """Name an error's class; of the database's, its code and the constraint too."""
    name = type(error).__name__
    if not isinstance(error, psycopg.Error):
        return name
    more = [part for part in (error.sqlstate, error.diag.constraint_name) if part]
    return f"{name}({','.join(more)})" if more else name


def _places(error: BaseException) -> list[str]:
    frames = [frame for one in _chain(error) for frame in traceback.extract_tb(one.__traceback__)]
    own = [f for f in frames if Path(f.filename).is_relative_to(_OURS) and f.filename != __file__]
    return [f"{Path(f.filename).relative_to(_OURS)}:{f.lineno}:{f.name}" for f in reversed(own[-_MOST_FRAMES:])]
