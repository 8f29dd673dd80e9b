"""Synthetic cities of any size, by seed. Nothing in them is a real place."""

from loadtests.cities.knobs import City
from loadtests.cities.making import make_city
from loadtests.cities.regimes import REGIMES, city_of

__all__ = ["REGIMES", "City", "city_of", "make_city"]
