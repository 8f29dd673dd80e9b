"""Rounds: from the announcement of dates to the end of a term, and the applications of households."""
