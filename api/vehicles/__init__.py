"""Vehicles: which car stands for a household, known by a plate that nobody else reads."""
