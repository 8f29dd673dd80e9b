"""Workdays and rest days of the real calendar, and windows unrolled over real dates."""
