"""What gates are told, and what they saw."""

from __future__ import annotations
