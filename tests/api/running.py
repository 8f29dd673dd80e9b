"""Commands run in this process as a shell would run them."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]
"""Takes the words of a command; gives its exit code and what it said on stdout and stderr."""
