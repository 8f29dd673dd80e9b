"""One line a request: what was asked of which route and how it went; no address, no query, no id, nobody's name."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger("baytide.access")


class AccessLog:
    """Middleware: logs the route's pattern in place of the path, which may hold ids."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or not _logger.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            route = getattr(scope.get("route"), "path", "-")
            spent_ms = 1000 * (time.perf_counter() - begin)
            _logger.info(
                "request_answered method=%s route=%s status=%d ms=%.1f", scope["method"], route, status, spent_ms
            )
