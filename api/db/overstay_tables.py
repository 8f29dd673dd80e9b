"""Strikes, appeals, and buffers sized from what gates saw."""

from __future__ import annotations
