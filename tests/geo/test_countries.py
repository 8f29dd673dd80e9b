from __future__ import annotations

import re
from importlib.resources import files

import pytest

from geo.countries import country_box

UNITED_NATIONS = [
    "AF", "AL", "DZ", "AD", "AO", "AG", "AR", "AM", "AU", "AT", "AZ", "BS", "BH", "BD", "BB", "BY", "BE", "BZ",
    "BJ", "BT", "BO", "BA", "BW", "BR", "BN", "BG", "BF", "BI", "CV", "KH", "CM", "CA", "CF", "TD", "CL", "CN",
    "CO", "KM", "CG", "CD", "CR", "CI", "HR", "CU", "CY", "CZ", "DK", "DJ", "DM", "DO", "EC", "EG", "SV", "GQ",
    "ER", "EE", "SZ", "ET", "FJ", "FI", "FR", "GA", "GM", "GE", "DE", "GH", "GR", "GD", "GT", "GN", "GW", "GY",
    "HT", "HN", "HU", "IS", "IN", "ID", "IR", "IQ", "IE", "IL", "IT", "JM", "JP", "JO", "KZ", "KE", "KI", "KP",
    "KR", "KW", "KG", "LA", "LV", "LB", "LS", "LR", "LY", "LI", "LT", "LU", "MG", "MW", "MY", "MV", "ML", "MT",
    "MH", "MR", "MU", "MX", "FM", "MD", "MC", "MN", "ME", "MA", "MZ", "MM", "NA", "NR", "NP", "NL", "NZ", "NI",
    "NE", "NG", "MK", "NO", "OM", "PK", "PW", "PA", "PG", "PY", "PE", "PH", "PL", "PT", "QA", "RO", "RU", "RW",
    "KN", "LC", "VC", "WS", "SM", "ST", "SA", "SN", "RS", "SC", "SL", "SG", "SK", "SI", "SB", "SO", "ZA", "SS",
    "ES", "LK", "SD", "SR", "SE", "CH", "SY", "TJ", "TZ", "TH", "TL", "TG", "TO", "TT", "TN", "TR", "TM", "TV",
    "UG", "UA", "AE", "GB", "US", "UY", "UZ", "VU", "VE", "VN", "YE", "ZM", "ZW",
]  # fmt: skip


def test_every_member_of_the_united_nations_has_a_box() -> None:
    assert len(set(UNITED_NATIONS)) == 193
    for country in UNITED_NATIONS:
        box = country_box(country)
        assert box is not None, country
        assert -180 <= box[0] < box[2] <= 180, country
        assert -90 <= box[1] < box[3] <= 90, country


@pytest.mark.parametrize(
    ("country", "lon", "lat"),
    [
        ("CN", 121.5, 31.28),
        ("MC", 7.42, 43.73),
        ("SG", 103.85, 1.29),
        ("FJ", 178.44, -18.14),
        ("FJ", -179.99, -16.8),
        ("NZ", -176.5, -43.95),
        ("RU", -170.0, 66.0),
        ("US", -157.86, 21.31),
        ("US", 174.0, 52.8),
        ("FR", 2.35, 48.85),
        ("FR", 8.74, 41.92),
        ("ES", -16.25, 28.47),
        ("KR", 126.98, 37.57),
        ("GB", -0.13, 51.51),
        ("GG", -2.54, 49.46),
        ("XK", 21.16, 42.66),
    ],
)
def test_places_lie_in_their_country(country: str, lon: float, lat: float) -> None:
    assert _inside(country, lon, lat)


def test_every_place_of_the_time_zone_table_lies_in_its_country() -> None:
    # The table's places are given to the minute, and a minute is less than the boxes have to spare.
    checked = 0
    for line in files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, place, zone = line.split("\t")[:3]
            lat, lon = _degrees(place)
            if country_box(country) is not None:
                assert _inside(country, lon, lat), zone
                checked += 1
    assert checked > 400


@pytest.mark.parametrize(("country", "lon", "lat"), [("CN", 121.5, 31.28), ("MC", 7.42, 43.73), ("SG", 103.85, 1.29)])
def test_swapped_coordinates_lie_outside(country: str, lon: float, lat: float) -> None:
    assert not _inside(country, lat, lon)


def test_codes_are_read_in_either_case_and_unknown_ones_have_no_box() -> None:
    assert country_box("cn") == country_box("CN")
    assert country_box("ZZ") is None
    assert country_box("") is None


def _inside(country: str, lon: float, lat: float) -> bool:
    box = country_box(country)
    assert box is not None
    return box[0] <= lon <= box[2] and box[1] <= lat <= box[3]


def _degrees(place: str) -> list[float]:
    """Read ISO 6709 latitude and longitude, `±DDMM±DDDMM` with seconds or without."""
    values = []
    for sign, digits in re.findall(r"([+-])(\d+)", place):
        whole = len(digits) - (2 if len(digits) < 6 else 4)
        degrees, minutes, seconds = digits[:whole], digits[whole : whole + 2], digits[whole + 2 :] or "0"
        values.append((int(degrees) + int(minutes) / 60 + int(seconds) / 3600) * (-1 if sign == "-" else 1))
    return values
