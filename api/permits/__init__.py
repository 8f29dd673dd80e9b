"""Permits: the right to a facility for a term, and the nights its household gives back."""
