"""The command line. Every command imports what it needs itself, so that `baytide --help` answers at once."""

from __future__ import annotations

from api.cli.app import main

__all__ = ["main"]
