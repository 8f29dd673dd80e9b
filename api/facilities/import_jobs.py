"""An import that is not waited for: looked at with the request, stored by a worker in its sender's name."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import OperationalError

from api.accounts.opening import open_as_account
from api.accounts.principal import Principal
from api.errors import ApiError
from api.facilities import import_queries as queries
from api.facilities.bulk_import import Import, import_offers, read_file
from api.facilities.drafting import owner_for
from api.facilities.errors import UnusableFacilities
from api.jobs.queries import enqueue, work

_logger = logging.getLogger("baytide")

JOB = "import_facilities"


def put_off(
    connection: Connection,
    neighbourhood_id: int,
    file: Import,
    *,
    principal: Principal,
    owner_id: int | None,
    publish: bool,
) -> Row[Any]:
    """Keep a file that was looked at and can be stored, with the job that stores it."""
    row = queries.add_import(
        connection,
        {
            "neighbourhood_id": neighbourhood_id,
            "asked_by": principal.account_id,
            "owner_id": owner_id,
            "publish": publish,
            "file": file.content,
            "reading": {
                "media_type": file.media_type,
                "crs": file.crs,
                "kinds": file.kinds,
                "window": dict(file.window),
            },
        },
    )
    enqueue(connection, JOB, arguments={"number": row.id}, lock=JOB)
    return row


def store_import(engine: Engine, import_id: int) -> None:
    """
    Store what an import holds, all of it or nothing, with the rights its sender has now; nothing where that is done.

    The facilities and the end of the import are one transaction: killed at any moment, it is begun anew.
    """
    with work(engine) as connection:
        account_id = queries.find_sender(connection, import_id)
    if account_id is None:
        return
    try:
        with engine.begin() as connection:
            principal = open_as_account(connection, account_id)
            made = _store(connection, import_id, principal=principal)
    except ApiError as error:
        with work(engine) as connection:
            queries.end_import(connection, import_id, state="failed", outcome=_told(error))
        _logger.info("import_failed import=%d error=%s", import_id, type(error).__name__)
    except OperationalError:
        raise  # the database is away: the job is done again
    except Exception:
        with work(engine) as connection:
            queries.end_import(
                connection, import_id, state="failed", outcome={"said": "nothing was stored: a mistake of ours"}
            )
        raise
    else:
        _logger.info("import_done import=%d facilities=%d", import_id, made)


def _store(connection: Connection, import_id: int, *, principal: Principal) -> int:
    row = queries.lock_import(connection, import_id)
    if row is None:
        return 0
    reading = row.reading
    file = Import(
        content=bytes(row.file),
        media_type=reading["media_type"],
        crs=reading["crs"],
        kinds=tuple(reading["kinds"]),
        window=reading["window"],
    )
    imported = import_offers(
        connection,
        row.neighbourhood_id,
        read_file(file),
        principal=principal,
        owner_id=owner_for(connection, principal, wanted=row.owner_id),
        dry_run=False,
        publish=row.publish,
    )
    queries.end_import(connection, import_id, state="done", outcome={"ids": list(imported.ids)})
    return len(imported.ids)


_OUR_MISTAKE = {"said": "nothing was stored: a mistake of ours, which has been logged"}


def _told(error: ApiError) -> dict[str, Any]:
    """Say why nothing was stored, in its sender's own words where a file is at fault."""
    if isinstance(error, UnusableFacilities):
        faults = [{"line": f.line, "field": f.field, "what": f.message} for f in error.faults]
        return {"said": "nothing was stored; `errors` has every fault", "errors": faults}
    return {"said": f"nothing was stored: {error}"}
