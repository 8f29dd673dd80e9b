"""
Everything that can go wrong with a map, as one tree.

    GeoError
    ├── MapFileError            a file that is not the map it should be
    │   └── TruncatedMapError   a file that ends before it is complete
    ├── NetworkError            streets that give no walking network
    ├── CoordinateError         coordinates off the earth, unknown reference systems
    ├── KerbError               a kerb line or bay sizes that make no sense
    └── BaseMapError            a base map that could not be written
"""

from __future__ import annotations

from pathlib import Path


class GeoError(Exception):
    """Root of all errors of the map."""


class MapFileError(GeoError):
    """
    A file that is not the map it should be.

    Parameters
    ----------
    path
        The file.
    problem
        What is wrong with it and, where known, what to do.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class TruncatedMapError(MapFileError):
    """A file that ends before it is complete."""


class NetworkError(GeoError):
    """Streets that give no walking network."""


class CoordinateError(GeoError):
    """Coordinates off the earth, or a reference system that is not known."""


class KerbError(GeoError):
    """A kerb line or bay sizes that make no sense."""


class BaseMapError(GeoError):
    """A base map that could not be written."""
