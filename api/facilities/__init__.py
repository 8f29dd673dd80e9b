"""Facilities: what is shared, where and when."""
