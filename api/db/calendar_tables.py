"""Calendars that planners edit."""

from __future__ import annotations
