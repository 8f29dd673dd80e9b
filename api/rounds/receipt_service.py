"""A household's receipt: its outcome, and the way from there to the hash that was published."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from api.rounds import allocation_queries as queries
from api.rounds.outcomes import said_of
from api.rounds.receipts import leaf_of, way_up

Json = dict[str, Any]


def receipt_of(connection: Connection, application_id: int) -> Json:
    """
    Make the receipt of an application.

    Raises
    ------
    ApplicationNotFound
        It is not one's own, or nothing is published of it.
    """
    row = queries.get_published_outcome(connection, application_id)
    steps = way_up(row.position, leaves=queries.num_leaves(connection, row.plan_id))
    tree = queries.hashes_at(connection, row.plan_id, [place for _, place in steps])
    said, salt = said_of(row), bytes(row.salt)
    return {
        "round": row.round_id,
        "plan": row.plan_id,
        "application": row.application_id,
        "outcome": said,
        "salt": salt.hex(),
        "leaf": leaf_of(said, salt=salt).hex(),
        "proof": [
            {"side": side, "hash": bytes(found).hex()} for (side, _), found in zip(steps, tree.hashes, strict=True)
        ],
        "root": bytes(tree.root).hex(),
    }
