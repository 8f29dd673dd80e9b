"""What the service asks the database about vehicles, and what it writes there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, text, update

from api.db.account_tables import households, plate_claims, plate_disputes, vehicles

_CLAIM = ("household_id", "plate_hash", "plate_sealed", "height_m", "needs")
# One statement whether the plate stands for somebody already or not, so that both take as long.
_REGISTER = text(
    """
    WITH wanted AS (
        SELECT CAST(:household AS bigint) AS household_id, CAST(:hash AS bytea) AS plate_hash,
               CAST(:sealed AS bytea) AS plate_sealed, CAST(:height_m AS double precision) AS height_m,
               CAST(:needs AS text) AS needs
    ), claimed AS (INSERT INTO plate_claims (household_id) SELECT household_id FROM wanted),
    registered AS (
        INSERT INTO vehicles (household_id, plate_hash, plate_sealed, height_m, needs) SELECT * FROM wanted
        ON CONFLICT (plate_hash) WHERE withdrawn_at IS NULL DO NOTHING
        RETURNING id
    )
    INSERT INTO plate_disputes (household_id, plate_hash, plate_sealed, height_m, needs)
    SELECT * FROM wanted WHERE NOT EXISTS (SELECT FROM registered)
    """
)


def lock_household(connection: Connection, household_id: int) -> None:
    """Let one request at a time change a household's car."""
    connection.execute(select(households.c.id).where(households.c.id == household_id).with_for_update(key_share=True))


def register(
    connection: Connection, household_id: int, *, hashed: bytes, sealed: bytes, height_m: float | None, needs: str
) -> None:
    """Add a household's car; where its plate stands for another household, a dispute."""
    row = {"household": household_id, "hash": hashed, "sealed": sealed, "height_m": height_m, "needs": needs}
    connection.execute(_REGISTER, row)


def find_vehicle(connection: Connection, household_id: int) -> Row[Any] | None:
    """Return a household's car."""
    t = vehicles
    return connection.execute(
        select(t).where(t.c.household_id == household_id, t.c.withdrawn_at.is_(None))
    ).one_or_none()


def find_newest_dispute(connection: Connection, household_id: int) -> Row[Any] | None:
    """Return the newest claim of a household that went to verification, decided or not."""
    t = plate_disputes
    query = select(t).where(t.c.household_id == household_id).order_by(t.c.id.desc()).limit(1)
    return connection.execute(query).one_or_none()


def describe(connection: Connection, household_id: int, *, height_m: float | None, needs: str) -> None:
    """
    Change what is known of a household's car, registered or in dispute.

    A car of other needs is another one: what the car needed that a place was given to is compared with later.
    """
    values = {"height_m": height_m, "needs": needs}
    v, d = vehicles, plate_disputes
    mine = update(v).where(v.c.household_id == household_id, v.c.withdrawn_at.is_(None))
    former = connection.execute(
        mine.where(v.c.needs != needs).values(withdrawn_at=func.clock_timestamp()).returning(v)
    ).one_or_none()
    if former is None:
        connection.execute(mine.values(values))
    else:
        kept = {name: getattr(former, name) for name in (*_CLAIM, "created_at")}
        connection.execute(insert(v).values(kept | values))
    connection.execute(update(d).where(d.c.household_id == household_id, d.c.outcome.is_(None)).values(values))


def withdraw(connection: Connection, household_id: int) -> int:
    """Let a household have no car any more, registered or in dispute; return how many it had."""
    v, d = vehicles, plate_disputes
    mine = update(v).where(v.c.household_id == household_id, v.c.withdrawn_at.is_(None))
    claimed = update(d).where(d.c.household_id == household_id, d.c.outcome.is_(None))
    gone = connection.execute(mine.values(withdrawn_at=func.clock_timestamp())).rowcount
    return gone + connection.execute(claimed.values(outcome="withdrawn", decided_at=func.now())).rowcount


def find_claim_wait(connection: Connection, household_id: int, *, within: timedelta, most: int) -> float | None:
    """Return the seconds until a household may name another plate, None when it may now."""
    t = plate_claims
    left = func.extract("epoch", t.c.claimed_at + within - func.now())
    query = select(left).where(t.c.household_id == household_id, t.c.claimed_at > func.now() - within)
    seconds = connection.scalar(query.order_by(t.c.claimed_at.desc()).offset(most - 1).limit(1))
    return None if seconds is None else float(seconds)


# ------------------------------------------------------------------------------------------------------------ disputes


def list_open_disputes(connection: Connection, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """List claims that wait for a planner, the oldest first."""
    t = plate_disputes
    query = select(t).where(t.c.outcome.is_(None), t.c.id > after).order_by(t.c.id).limit(limit)
    return connection.execute(query).all()


def find_open_dispute(connection: Connection, dispute_id: int) -> Row[Any] | None:
    """Return a claim that waits for a planner, locked until the transaction ends."""
    t = plate_disputes
    query = select(t).where(t.c.id == dispute_id, t.c.outcome.is_(None)).with_for_update()
    return connection.execute(query).one_or_none()


def is_party_of(connection: Connection, dispute: Row[Any], household_id: int) -> bool:
    """Tell whether a household claims the plate of a dispute, or holds it; the caller may see disputes."""
    t = vehicles
    held = select(t.c.id).where(
        t.c.plate_hash == dispute.plate_hash, t.c.withdrawn_at.is_(None), t.c.household_id == household_id
    )
    return dispute.household_id == household_id or connection.scalar(held) is not None


def take_plate_from_holder(connection: Connection, plate_hash: bytes, *, decided_by: int | None) -> None:
    """
    Let a plate stand for nobody, and its former holder read that its own claim was refused.

    Only while a dispute on the plate is open does a planner see its holder.
    """
    t = vehicles
    held = update(t).where(t.c.plate_hash == plate_hash, t.c.withdrawn_at.is_(None))
    for row in connection.execute(held.values(withdrawn_at=func.clock_timestamp()).returning(t)).all():
        refused = {name: getattr(row, name) for name in _CLAIM}
        refused |= {"outcome": "holder", "decided_at": func.now(), "decided_by": decided_by}
        connection.execute(insert(plate_disputes).values(refused))


def give_plate_to_claimant(connection: Connection, dispute: Row[Any]) -> None:
    """Register the car of a claim."""
    connection.execute(insert(vehicles).values({name: getattr(dispute, name) for name in _CLAIM}))


def close_dispute(connection: Connection, dispute_id: int, *, outcome: str, decided_by: int | None) -> None:
    """Write down how a planner decided."""
    t = plate_disputes
    values = {"outcome": outcome, "decided_at": func.now(), "decided_by": decided_by}
    connection.execute(update(t).where(t.c.id == dispute_id).values(values))
