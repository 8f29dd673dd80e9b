"""Answers that did not change are not sent again (RFC 9110, section 13)."""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NOT_MODIFIED = 304
_KINDS = ("application/json", "application/geo+json", "application/vnd.mapbox-vector-tile")


class EntityTags:
    """
    Middleware: gives JSON and tiles in answer to GET a tag of their content, and a bare 304 to whoever has it already.

    Answers that bring a tag of their own, and those sent in several parts, pass as they are.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def tag(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if _is_tagged_by_us(message):
                    start = message
                    return
            elif start is not None:
                first, start = start, None
                if not message.get("more_body", False):
                    first, message = _tagged(first, message, wanted=Headers(scope=scope).get("if-none-match", ""))
                await send(first)
            await send(message)

        await self._app(scope, receive, tag)


def _is_tagged_by_us(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    kind = headers.get("content-type", "").partition(";")[0]
    return start["status"] == 200 and kind in _KINDS and "etag" not in headers


def _tagged(start: Message, body: Message, *, wanted: str) -> tuple[Message, Message]:
    tag = f'W/"{hashlib.sha256(body.get("body", b"")).hexdigest()[:32]}"'
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["ETag"] = tag
    headers.setdefault("Cache-Control", "private, no-cache")
    if tag.removeprefix("W/") in (one.strip().removeprefix("W/") for one in wanted.split(",")):
        del headers["content-length"]
        del headers["content-type"]
        return {**start, "status": _NOT_MODIFIED, "headers": headers.raw}, {**body, "body": b""}
    return {**start, "headers": headers.raw}, body
