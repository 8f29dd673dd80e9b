"""Many facilities at once from a file: everything is looked at before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from api.accounts.principal import Principal
from api.accounts.refusals import NotAllowed
from api.errors import Fault
from api.facilities import supply_queries as queries
from api.facilities.drafting import create_draft, submit_draft
from api.facilities.errors import FileNotAccepted, UnusableFacilities
from api.facilities.offers import Offers, read_offers
from api.facilities.osm_offers import read_osm
from api.facilities.publishing import publish_draft
from api.facilities.spreadsheet import read_sheet
from api.neighbourhoods.supply_rows import num_bays

MOST_BYTES = 8 * 1024 * 1024
_CSV = ("text/csv",)
_GEOJSON = ("application/geo+json", "application/json")
_OSM = ("application/vnd.openstreetmap.data+xml", "application/xml", "text/xml")
MEDIA_TYPES = (*_CSV, *_GEOJSON, *_OSM)


@dataclass(frozen=True, slots=True)
class Import:
    """
    A file and how to read it.

    Attributes
    ----------
    crs
        Of its coordinates; OpenStreetMap is always WGS 84.
    kinds, window
        Of OpenStreetMap files: which kinds of place to take, and the hours they open.
    """

    content: bytes
    media_type: str
    crs: str
    kinds: tuple[str, ...]
    window: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file holds, and the ids of the drafts or facilities made of it; none after a dry run."""

    facilities: int
    bays: int
    warnings: tuple[str, ...]
    ids: tuple[int, ...]


def read_file(wanted: Import) -> Offers:
    """
    Read a file of one of `MEDIA_TYPES`.

    Raises
    ------
    FileNotAccepted
        It is of another kind.
    UnusableFacilities
        With every fault by line and field.
    """
    readers: dict[tuple[str, ...], Callable[[], Offers]] = {
        _CSV: lambda: read_sheet(wanted.content, crs=wanted.crs),
        _GEOJSON: lambda: read_offers(_text(wanted.content), crs=wanted.crs),
        _OSM: lambda: read_osm(wanted.content, kinds=wanted.kinds, window=dict(wanted.window)),
    }
    for media_types, read in readers.items():
        if wanted.media_type in media_types:
            return read()
    raise FileNotAccepted(f"send a file as one of {', '.join(MEDIA_TYPES)}", status=415)


def import_offers(
    connection: Connection,
    neighbourhood_id: int,
    offers: Offers,
    *,
    principal: Principal,
    owner_id: int | None,
    dry_run: bool,
    publish: bool,
) -> Imported:
    """
    Store offers as drafts of an owner, or publish them at once, which only planners may; all of them or none.

    Raises
    ------
    NotAllowed
        Somebody else than a planner wants to publish.
    UnusableFacilities
        The neighbourhood has facilities or drafts of some of the ids already.
    SupplyConflict
        The owner of what is to be published has not been verified.
    """
    if publish and not principal.is_planner:
        raise NotAllowed("only planners publish")
    _refuse_taken(connection, neighbourhood_id, offers)
    ids: list[int] = []
    for offer in () if dry_run else offers.offers:
        draft = create_draft(connection, neighbourhood_id, offer, principal=principal, owner_id=owner_id)
        ids.append(int(draft.facility_id))
        if publish:
            submitted = submit_draft(connection, draft.facility_id, principal=principal, seen=draft.version)
            publish_draft(connection, draft.facility_id, principal=principal, seen=submitted.version, reason="import")
    bays = sum(num_bays(group) for offer in offers.offers for group in offer.facility.bay_groups)
    return Imported(len(offers.offers), bays, offers.warnings, tuple(ids))


def _refuse_taken(connection: Connection, neighbourhood_id: int, offers: Offers) -> None:
    taken = queries.codes_taken(connection, neighbourhood_id, [offer.facility.id for offer in offers.offers])
    if taken:
        raise UnusableFacilities(
            Fault("", offers.lines.get(code, 1), "id", f"{code!r} is there already, published or as a draft")
            for code in taken
        )


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnusableFacilities([Fault("", line, "encoding", "is not UTF-8; save it again as UTF-8")]) from error
