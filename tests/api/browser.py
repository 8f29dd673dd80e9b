"""A real browser for the tests that need one, spoken to in its own protocol."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import websocket

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-quic",
    "--remote-debugging-port=0",
)


class Tab:
    """One page of a browser; what it says is kept in `said`."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self._count = 0
        self.said: list[str] = []
        self.ask("Runtime.enable")
        self.ask("Page.enable")

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message: dict[str, Any] = json.loads(self._socket.recv())
            if message.get("id") == self._count:
                assert "error" not in message, message
                answer: dict[str, Any] = message["result"]
                return answer
            if message.get("method") in (
                "Runtime.consoleAPICalled",
                "Runtime.exceptionThrown",
                "Page.javascriptDialogOpening",
            ):
                self.said.append(json.dumps(message["params"])[:500])

    def value(self, expression: str) -> Any:  # noqa: ANN401 -- whatever the page answers
        """Return the value of an expression in the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)["result"].get(
            "value"
        )

    def wait_for_map(self, *, limit_s: float = 60) -> None:
        """Wait until the map has drawn everything."""
        deadline = time.monotonic() + limit_s
        while self.value("document.documentElement.dataset.map ?? null") is None:
            assert time.monotonic() < deadline, ("the map was never drawn", self.said)
            time.sleep(0.1)


@contextlib.contextmanager
def opened(address: str, *, profile: Path) -> Iterator[Tab]:
    """Open a page in a browser of its own."""
    command = [str(CHROMIUM), *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with contextlib.closing(Tab(_debugger(profile))) as tab:
            tab.ask("Page.navigate", url=address)
            yield tab
    finally:
        browser.terminate()
        browser.wait(timeout=30)


def _debugger(profile: Path) -> str:
    """Return where the first tab listens, once it does."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, StopIteration):
            port = int((profile / "DevToolsActivePort").read_text().split()[0])
            with urlopen(f"http://127.0.0.1:{port}/json", timeout=5) as answer:
                return str(next(tab["webSocketDebuggerUrl"] for tab in json.load(answer) if tab["type"] == "page"))
        time.sleep(0.1)
    raise AssertionError("the browser did not start")
