"""`python -m api.cli` is `baytide`."""

from __future__ import annotations

from api.cli import main

main()
