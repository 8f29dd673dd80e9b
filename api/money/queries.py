"""What money asks of the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from api.overstays.policy import DEFAULT

if TYPE_CHECKING:
    from api.money.ledger import Act

_MONEY = 0x6D6F6E
"""One payout of a household at a time."""


def pseudonyms_of(connection: Connection, household_ids: Sequence[int]) -> dict[int, UUID]:
    """Return what the ledger calls households; those that it has no name for get one."""
    ids = sorted(set(household_ids))
    connection.execute(
        text(
            "INSERT INTO pseudonyms (household_id) SELECT unnest(CAST(:ids AS bigint[])) "
            "ON CONFLICT (household_id) DO NOTHING"
        ),
        {"ids": ids},
    )
    rows = connection.execute(
        text("SELECT household_id, pseudonym FROM pseudonyms WHERE household_id = ANY(:ids)"), {"ids": ids}
    )
    return {row.household_id: row.pseudonym for row in rows}


def find_household(connection: Connection, pseudonym: UUID) -> int | None:
    """Find whose pseudonym it is; None after it was erased."""
    found: int | None = connection.scalar(
        text("SELECT household_id FROM pseudonyms WHERE pseudonym = :pseudonym"), {"pseudonym": pseudonym}
    )
    return found


def forget_pseudonym(connection: Connection, household_id: int) -> None:
    """Forget whose money it was; the ledger stays whole."""
    connection.execute(text("DELETE FROM pseudonyms WHERE household_id = :id"), {"id": household_id})


def lock_pseudonym(connection: Connection, pseudonym: UUID) -> None:
    """Let one payment of a household after the other be booked."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:what, hashtext(:pseudonym))"),
        {"what": _MONEY, "pseudonym": str(pseudonym)},
    )


# ------------------------------------------------------------------------------------------------------- the journal


def add_acts(connection: Connection, acts: Sequence[Act], *, booked_by: int | None, now: datetime) -> dict[str, int]:
    """Store acts whose references are new; return their ids by reference."""
    query = text(
        "INSERT INTO journal (reference, kind, entries, permit_id, stay_id, receipt, booked_at, booked_by) "
        "SELECT reference, kind, entries, permit, stay, receipt, :now, :by "
        "FROM unnest(CAST(:references AS text[]), CAST(:kinds AS text[]), CAST(:entries AS smallint[]), "
        "CAST(:permits AS bigint[]), CAST(:stays AS bigint[]), CAST(:receipts AS text[])) "
        "AS wanted (reference, kind, entries, permit, stay, receipt) ORDER BY reference "
        "ON CONFLICT (reference) DO NOTHING RETURNING id, reference"
    )
    values = {
        "references": [act.reference for act in acts],
        "kinds": [act.kind for act in acts],
        "entries": [len(act.sides) for act in acts],
        "permits": [act.permit_id for act in acts],
        "stays": [act.stay_id for act in acts],
        "receipts": [act.receipt for act in acts],
        "now": now,
        "by": booked_by,
    }
    return {row.reference: row.id for row in connection.execute(query, values).all()}


def add_sides(connection: Connection, acts: Sequence[tuple[int, Act]]) -> None:
    """Store the sides of acts, by the ids of these."""
    query = text(
        "INSERT INTO journal_entries "
        "(journal_id, position, account, pseudonym, facility_id, owner_id, provider, cents) "
        "SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:positions AS smallint[]), CAST(:accounts AS text[]), "
        "CAST(:pseudonyms AS uuid[]), CAST(:facilities AS bigint[]), CAST(:owners AS bigint[]), "
        "CAST(:providers AS text[]), CAST(:cents AS bigint[]))"
    )
    rows = [(act_id, position, side) for act_id, act in acts for position, side in enumerate(act.sides)]
    values = {
        "ids": [act_id for act_id, _, _ in rows],
        "positions": [position for _, position, _ in rows],
        "accounts": [side.account for _, _, side in rows],
        "pseudonyms": [side.pseudonym for _, _, side in rows],
        "facilities": [side.facility_id for _, _, side in rows],
        "owners": [side.owner_id for _, _, side in rows],
        "providers": [side.provider for _, _, side in rows],
        "cents": [side.cents for _, _, side in rows],
    }
    if rows:
        connection.execute(query, values)


def sides_of(connection: Connection, references: Sequence[str]) -> dict[str, tuple[str, list[tuple[str, int, str]]]]:
    """Return the kind of acts and their sides: account, cents, whose."""
    query = text(
        "SELECT j.reference, j.kind, e.account, e.cents, "
        "COALESCE(CAST(e.pseudonym AS text), CAST(e.facility_id AS text), e.provider) AS whose "
        "FROM journal j JOIN journal_entries e ON e.journal_id = j.id WHERE j.reference = ANY(:references)"
    )
    kinds: dict[str, str] = {}
    sides: defaultdict[str, list[tuple[str, int, str]]] = defaultdict(list)
    for row in connection.execute(query, {"references": list(references)}).all():
        kinds[row.reference] = row.kind
        sides[row.reference].append((row.account, row.cents, row.whose))
    return {reference: (kind, sorted(sides[reference])) for reference, kind in kinds.items()}


def balances_of(connection: Connection, pseudonyms: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """Return the balances of households by account; those without entries are left out."""
    query = text(
        "SELECT pseudonym, account, sum(cents) AS cents FROM journal_entries WHERE pseudonym = ANY(:ids) GROUP BY 1, 2"
    )
    found: defaultdict[UUID, dict[str, int]] = defaultdict(dict)
    for row in connection.execute(query, {"ids": list(pseudonyms)}).all():
        found[row.pseudonym][row.account] = int(row.cents)
    return dict(found)


def trial_balance(connection: Connection) -> list[Row[Any]]:
    """Return debits, credits and the balance of every kind of account."""
    query = text(
        "SELECT account, COALESCE(sum(cents) FILTER (WHERE cents > 0), 0) AS debits, "
        "COALESCE(-sum(cents) FILTER (WHERE cents < 0), 0) AS credits, sum(cents) AS balance "
        "FROM journal_entries GROUP BY account ORDER BY account"
    )
    return list(connection.execute(query))


def list_lines(connection: Connection, *, after: int = 0, limit: int = 10_000) -> list[Row[Any]]:
    """List the entries of acts with an id above another, in order."""
    query = text(
        "SELECT j.id, j.reference, j.kind, j.receipt, j.booked_at, e.position, e.account, e.pseudonym, e.facility_id, "
        "e.owner_id, e.provider, e.cents FROM journal j JOIN journal_entries e ON e.journal_id = j.id "
        "WHERE j.id IN (SELECT id FROM journal WHERE id > :after ORDER BY id LIMIT :limit) ORDER BY j.id, e.position"
    )
    return list(connection.execute(query, {"after": after, "limit": limit}))


def list_own_lines(connection: Connection, household_id: int, *, limit: int) -> list[Row[Any]]:
    """List what was booked of a household, the newest first."""
    query = text(
        "SELECT j.id, j.reference, j.kind, j.receipt, j.booked_at, e.account, e.cents FROM journal_entries e "
        "JOIN journal j ON j.id = e.journal_id JOIN pseudonyms p ON p.pseudonym = e.pseudonym "
        "WHERE p.household_id = :household ORDER BY j.id DESC, e.position LIMIT :limit"
    )
    return list(connection.execute(query, {"household": household_id, "limit": limit}))


def list_income(connection: Connection, owner_ids: Sequence[int], *, first: datetime, past: datetime) -> list[Row[Any]]:
    """Return what facilities of owners earned in a time, and on how many bays cars stood how many nights."""
    query = text(
        "SELECT f.id AS facility_id, f.name, COALESCE(-income.cents, 0) AS cents, nights.number AS nights "
        "FROM facilities f CROSS JOIN LATERAL ("
        "SELECT sum(e.cents) AS cents FROM journal_entries e JOIN journal j ON j.id = e.journal_id "
        "WHERE e.facility_id = f.id AND j.booked_at >= :first AND j.booked_at < :past) income CROSS JOIN LATERAL ("
        "SELECT count(*) AS number FROM stays s JOIN bays b ON b.id = s.bay_id "
        "JOIN bay_groups g ON g.id = b.bay_group_id WHERE g.facility_id = f.id AND s.state = 'confirmed' "
        "AND lower(s.during) >= :first AND lower(s.during) < :past) nights "
        "WHERE f.owner_id = ANY(:owners) ORDER BY f.id"
    )
    return list(connection.execute(query, {"owners": list(owner_ids), "first": first, "past": past}))


# --------------------------------------------------------------------------------------------- what is to be charged

_PERMIT = (
    "p.id, p.household_id, p.state, p.end_reason, lower(p.term) AS first, upper(p.term) - 1 AS last, "
    "p.monthly_price_cents AS price_cents, f.id AS facility_id, f.owner_id, n.timezone, "
    "CAST(o.decided_at AT TIME ZONE n.timezone AS date) AS accepted, "
    "CAST(p.ended_at AT TIME ZONE n.timezone AS date) AS ended"
)
_OF_PERMIT = (
    "FROM permits p JOIN bay_groups g ON g.id = p.bay_group_id JOIN facilities f ON f.id = g.facility_id "
    "JOIN neighbourhoods n ON n.id = f.neighbourhood_id "
    "LEFT JOIN offers o ON o.permit_id = p.id AND o.state = 'accepted'"
)


def find_permit(connection: Connection, permit_id: int) -> Row[Any] | None:
    """Return what money has to know of a permit."""
    return connection.execute(text(f"SELECT {_PERMIT} {_OF_PERMIT} WHERE p.id = :id"), {"id": permit_id}).one_or_none()


def months_without_fee(connection: Connection, *, now: datetime, most: int) -> list[Row[Any]]:
    """
    List permits and months of theirs, up to the one that it is at their facility, whose fee is not booked.

    Months that were missed are among them, those of permits that have ended meanwhile too; the oldest permit first,
    at most so many.
    """
    query = text(
        f"SELECT {_PERMIT}, due.month {_OF_PERMIT} CROSS JOIN LATERAL ("
        "SELECT CAST(m AS date) AS month FROM generate_series("
        "date_trunc('month', GREATEST(lower(p.term), CAST(o.decided_at AT TIME ZONE n.timezone AS date))::timestamp), "
        "LEAST((upper(p.term) - 1)::timestamp, CAST(:now AS timestamptz) AT TIME ZONE n.timezone, "
        "p.ended_at AT TIME ZONE n.timezone), interval '1 month') AS m) due "
        "WHERE p.monthly_price_cents > 0 AND (p.state = 'active' OR p.state = 'ended' "
        "AND NOT EXISTS (SELECT FROM offers never WHERE never.permit_id = p.id AND never.state <> 'accepted') "
        "AND NOT EXISTS (SELECT FROM settled_permits s WHERE s.permit_id = p.id)) "
        "AND NOT EXISTS (SELECT FROM journal j WHERE j.reference = "
        "'permit ' || p.id || ' month ' || to_char(due.month, 'YYYY-MM') || ' fee') "
        "AND GREATEST(lower(p.term), CAST(o.decided_at AT TIME ZONE n.timezone AS date)) "
        "<= LEAST(upper(p.term) - 1, CAST(p.ended_at AT TIME ZONE n.timezone AS date)) "
        "ORDER BY p.id, due.month LIMIT :most"
    )
    return list(connection.execute(query, {"now": now, "most": most}))


def permits_without_deposit(
    connection: Connection, *, otherwise_cents: int, now: datetime, most: int
) -> list[Row[Any]]:
    """
    List permits that have begun and whose deposit is not booked, at most so many; `deposit_cents` is what it is.

    That of the permit's round, `otherwise_cents` where it is of none.
    """
    query = text(
        f"SELECT {_PERMIT}, deposit.cents AS deposit_cents {_OF_PERMIT} "
        "LEFT JOIN applications a ON a.id = p.application_id LEFT JOIN rounds r ON r.id = a.round_id "
        "CROSS JOIN LATERAL (SELECT COALESCE(r.deposit_cents, :otherwise) AS cents) deposit "
        "WHERE p.state = 'active' AND deposit.cents > 0 "
        "AND lower(p.term) <= CAST(CAST(:now AS timestamptz) AT TIME ZONE n.timezone AS date) "
        "AND NOT EXISTS (SELECT FROM journal j WHERE j.reference = 'permit ' || p.id || ' deposit') "
        "ORDER BY p.id LIMIT :most"
    )
    return list(connection.execute(query, {"otherwise": otherwise_cents, "now": now, "most": most}))


def permits_to_settle(connection: Connection, *, now: datetime, most: int) -> list[Row[Any]]:
    """
    List permits that have ended with something in the ledger and are not settled, at most so many.

    Those with a deposit wait until the last of their nights and the grace after it are over, while a strike of one has
    not taken effect, or is appealed against, and while the car of one still stands there.
    """
    query = text(
        f"SELECT {_PERMIT} {_OF_PERMIT} WHERE p.state = 'ended' "
        "AND EXISTS (SELECT FROM journal j WHERE j.permit_id = p.id) "
        "AND NOT EXISTS (SELECT FROM settled_permits s WHERE s.permit_id = p.id) "
        "AND NOT (EXISTS (SELECT FROM journal j WHERE j.permit_id = p.id AND j.kind = 'deposit') AND EXISTS ("
        "SELECT FROM stays s WHERE s.permit_id = p.id AND ("
        "EXISTS (SELECT FROM strikes k LEFT JOIN strike_appeals c ON c.strike_id = k.id "
        "WHERE k.stay_id = s.id AND k.state = 'standing' "
        "AND (k.effect = 'waiting' OR c.strike_id IS NOT NULL AND c.decided_at IS NULL)) "
        "OR s.state = 'confirmed' AND upper(s.during) + make_interval(mins => COALESCE(("
        "SELECT CAST(y.policy ->> 'grace_min' AS integer) FROM overstay_policies y WHERE y.neighbourhood_id = n.id"
        "), :grace)) > :now "
        "OR EXISTS (SELECT FROM gate_sessions g WHERE g.stay_id = s.id AND g.state = 'open')"
        "))) ORDER BY p.id LIMIT :most"
    )
    return list(connection.execute(query, {"now": now, "most": most, "grace": DEFAULT.grace_min}))


def zones_of(connection: Connection, household_ids: Sequence[int]) -> dict[int, str]:
    """Return the time zones that households live in."""
    query = text(
        "SELECT h.id, n.timezone FROM households h JOIN homes o ON o.id = h.home_id "
        "JOIN neighbourhoods n ON n.id = o.neighbourhood_id WHERE h.id = ANY(:ids)"
    )
    return {row.id: row.timezone for row in connection.execute(query, {"ids": list(household_ids)}).all()}


def find_next_charge(connection: Connection, household_id: int, *, now: datetime) -> date | None:
    """
    Return the day, at its facility, on which a permit of a household costs its next month; None where none does.

    Months are charged when they begin, and a permit has to be in force in them and to have a price.
    """
    query = text(
        "SELECT min(due.day) FROM (SELECT upper(p.term) - 1 AS last, CAST(GREATEST("
        "date_trunc('month', lower(p.term)::timestamp), "
        "date_trunc('month', CAST(:now AS timestamptz) AT TIME ZONE n.timezone) + interval '1 month') AS date) AS day "
        f"{_OF_PERMIT} WHERE p.household_id = :household AND p.state = 'active' AND p.monthly_price_cents > 0"
        ") due WHERE due.day <= due.last"
    )
    found: date | None = connection.scalar(query, {"household": household_id, "now": now})
    return found


def note_settled(connection: Connection, permit_id: int, *, now: datetime) -> None:
    """Note that nothing is left to do for a permit."""
    connection.execute(
        text(
            "INSERT INTO settled_permits (permit_id, settled_at) VALUES (:permit, :now) "
            "ON CONFLICT (permit_id) DO NOTHING"
        ),
        {"permit": permit_id, "now": now},
    )


def fees_of_permit(connection: Connection, permit_id: int) -> dict[str, int]:
    """Return the fees booked of a permit, by month (`2026-12`)."""
    query = text(
        "SELECT split_part(j.reference, ' ', 4) AS month, e.cents FROM journal j "
        "JOIN journal_entries e ON e.journal_id = j.id AND e.account = 'receivable' "
        "WHERE j.permit_id = :permit AND j.kind = 'fee'"
    )
    return {row.month: int(row.cents) for row in connection.execute(query, {"permit": permit_id}).all()}


def deposit_of(connection: Connection, permit_id: int) -> int:
    """Return what was taken as the deposit of a permit."""
    query = text(
        "SELECT COALESCE(sum(e.cents), 0) FROM journal j JOIN journal_entries e ON e.journal_id = j.id "
        "AND e.account = 'receivable' WHERE j.permit_id = :permit AND j.kind = 'deposit'"
    )
    return int(connection.execute(query, {"permit": permit_id}).scalar_one())


_BOOKING = (
    "SELECT s.id, s.household_id, s.state, b.price_cents, b.lost_cents, f.id AS facility_id, f.owner_id FROM stays s "
    "JOIN bookings b ON b.stay_id = s.id JOIN bays y ON y.id = s.bay_id JOIN bay_groups g ON g.id = y.bay_group_id "
    "JOIN facilities f ON f.id = g.facility_id"
)


def bookings_to_charge(connection: Connection, *, now: datetime, most: int) -> list[Row[Any]]:
    """List confirmed bookings that have begun and are not booked in the ledger yet, at most so many."""
    query = text(
        f"{_BOOKING} WHERE s.kind = 'booking' AND s.state IN ('confirmed', 'leaving') AND lower(s.during) <= :now "
        "AND b.price_cents > 0 AND NOT EXISTS (SELECT FROM journal j WHERE j.stay_id = s.id AND j.kind = 'booking') "
        "ORDER BY s.id LIMIT :most"
    )
    return list(connection.execute(query, {"now": now, "most": most}))


def find_booking(connection: Connection, stay_id: int) -> Row[Any] | None:
    """Return what money has to know of a booking."""
    return connection.execute(text(f"{_BOOKING} WHERE s.id = :id"), {"id": stay_id}).one_or_none()


# ----------------------------------------------------------------------------------------------------------- payments


def add_payment_request(
    connection: Connection, *, code: str, pseudonym: UUID, provider: str, direction: str, cents: int, now: datetime
) -> None:
    """Store a code that a household shows where it pays or is paid."""
    connection.execute(
        text(
            "INSERT INTO payment_requests (code, pseudonym, provider, direction, cents, requested_at) "
            "VALUES (:code, :pseudonym, :provider, :direction, :cents, :now)"
        ),
        {
            "code": code,
            "pseudonym": pseudonym,
            "provider": provider,
            "direction": direction,
            "cents": cents,
            "now": now,
        },
    )


def find_payment_request(connection: Connection, code: str) -> Row[Any] | None:
    """Find what a code stands for."""
    return connection.execute(text("SELECT * FROM payment_requests WHERE code = :code"), {"code": code}).one_or_none()
