"""Plates: how they are written, compared without being told, and sealed."""

from __future__ import annotations

import hmac
import re
import unicodedata

from api.accounts.keys import Keys
from api.accounts.sealing import seal, unseal
from api.errors import ApiError

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_SERIAL = "A-HJ-NP-Z0-9"
"""Neither I nor O, which look like digits (GA 36-2018)."""
_SPACERS = re.compile(r"[\s·・•‧∙.\-_]+")
FORMATS = {
    # GA 36-2018: province, office, five; the last may say what a car is for, or that it drives in Hong Kong or Macao.
    "mainland": re.compile(rf"[{_PROVINCES}][A-Z][{_SERIAL}]{{4}}[{_SERIAL}挂学警港澳]"),
    # New energy: province, office, six. Small cars begin with a letter of the drive, large ones end with it.
    "new_energy_small": re.compile(rf"[{_PROVINCES}][A-Z][A-HJK][{_SERIAL}][0-9]{{4}}"),
    "new_energy_large": re.compile(rf"[{_PROVINCES}][A-Z][0-9]{{5}}[A-HJK]"),
    # Elsewhere, as Hong Kong (AB 1234) and Singapore (SBA 1234 G): 2 to 8 Latin letters and digits, one of each.
    "latin": re.compile(r"(?=.*[A-Z])(?=.*[0-9])[A-Z0-9]{2,8}"),
}
"""Formats that are known, after `normalise_plate` has taken case, width and spacers away."""
_PLATE = "plate"


class PlateUnknown(ApiError):
    """A plate in no format that is known; it is never repeated."""


def normalise_plate(text: str) -> str:
    """
    Return a plate as it is compared: capitals, no spacers, no full-width letters.

    Raises
    ------
    PlateUnknown
        No known format.
    """
    plate = _SPACERS.sub("", unicodedata.normalize("NFKC", text)).upper()
    if not any(known.fullmatch(plate) for known in FORMATS.values()):
        raise PlateUnknown("no format that is known")
    return plate


def hash_plate(keys: Keys, plate: str) -> bytes:
    """Return what makes a plate comparable; without the key nobody can try all plates out."""
    return hmac.digest(keys.plate_hash, plate.encode("utf-8"), "sha256")


def seal_plate(keys: Keys, plate: str) -> bytes:
    """Seal a plate (AES-256-GCM, a nonce by chance); two seals of one plate differ."""
    return seal(keys.plate_seal, plate.encode("utf-8"), what=_PLATE)


def open_plate(keys: Keys, sealed: bytes) -> str:
    """Open a seal; raise SealBroken when the key or the seal is another."""
    return unseal(keys.plate_seal, sealed, what=_PLATE).decode("utf-8")
