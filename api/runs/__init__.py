"""Allocation runs: asked for by planners, computed apart from the service, stored as plans."""
