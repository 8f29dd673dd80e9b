"""A plan of a neighbourhood that is in the database, beside the plans it has."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Connection, select

from api.db import tables
from api.neighbourhoods.loading import PUBLISHED
from api.plans.importing import copy_plan
from api.plans.plan_file import PlanFiles


def store_plan(connection: Connection, owner: int, files: PlanFiles) -> int:
    """
    Store a plan made from an export of the neighbourhood `owner`; return its id.

    Raises
    ------
    FolderFaults
        The neighbourhood has changed since: the plan names what is gone, or leaves somebody new without an answer.
    """
    d, f, g = tables.demands, tables.facilities, tables.bay_groups
    demands = connection.execute(select(d.c.code, d.c.id).where(d.c.neighbourhood_id == owner)).all()
    groups = connection.execute(
        select(f.c.code, g.c.code, g.c.id)
        .join(f, f.c.id == g.c.facility_id)
        .where(f.c.neighbourhood_id == owner, f.c.status == PUBLISHED)
    ).all()
    return copy_plan(
        connection,
        owner,
        files,
        demands=pl.DataFrame(demands, schema={"code": pl.String(), "id": pl.Int64()}, orient="row"),
        groups=pl.DataFrame(
            groups, schema={"facility": pl.String(), "bay_group": pl.String(), "id": pl.Int64()}, orient="row"
        ),
    )
