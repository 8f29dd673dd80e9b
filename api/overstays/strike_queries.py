"""What strikes and appeals ask the database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

_STRUCK = 0x73747269
"""One at a time changes the strikes of a household."""
_STRIKE = """
    SELECT s.*, a.words, a.made_at, a.decision, a.note, a.decided_at, f.name, f.neighbourhood_id, n.timezone
    FROM strikes s
    JOIN facilities f ON f.id = s.facility_id
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    LEFT JOIN strike_appeals a ON a.strike_id = s.id
"""
_OF_HOUSEHOLD = text(f"{_STRIKE} WHERE s.household_id = :household ORDER BY s.leave_by, s.id")
_ONE = text(f"{_STRIKE} WHERE s.id = :strike")
_OF_NEIGHBOURHOOD = text(
    f"{_STRIKE} WHERE f.neighbourhood_id = :neighbourhood AND s.id < :before"
    " AND (NOT :appealed OR a.made_at IS NOT NULL AND a.decision IS NULL) ORDER BY s.id DESC LIMIT :limit"
)
_PLACES = text("""
    SELECT f.id AS facility_id, f.neighbourhood_id, n.timezone, p.policy
    FROM facilities f
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    LEFT JOIN overstay_policies p ON p.neighbourhood_id = n.id
    WHERE f.id = ANY(:facilities)
""")
_STRUCK_STAYS = text("SELECT stay_id FROM strikes WHERE stay_id = ANY(:stays)")
_UNAPPEALED = text(f"""
    {_STRIKE} WHERE s.state = 'standing' AND s.leave_by >= :since AND a.strike_id IS NULL ORDER BY s.household_id, s.id
""")
_ADD = text("""
    INSERT INTO strikes (household_id, facility_id, stay_id, leave_by, late_until, struck_at, expires_at, appeal_until,
        place, act, amount_cents, nights, effective_at, policy, struck_by)
    VALUES (:household_id, :facility_id, :stay_id, :leave_by, :late_until, :struck_at, :expires_at, :appeal_until,
        :place, :act, :amount_cents, :nights, :effective_at, CAST(:policy AS jsonb), :struck_by)
    ON CONFLICT (stay_id) DO NOTHING RETURNING id
""")
_CHANGE = text("""
    UPDATE strikes SET state = :state, place = :place, act = :act, amount_cents = :amount_cents, nights = :nights,
        effective_at = :effective_at, effect = :effect, did = CAST(:did AS jsonb)
    WHERE id = :id
""")
_DUE = text("""
    SELECT s.id, s.household_id FROM strikes s
    WHERE s.effect = 'waiting' AND s.state = 'standing' AND s.effective_at <= :now
      AND NOT EXISTS (SELECT FROM strike_appeals a WHERE a.strike_id = s.id AND a.decision IS NULL)
      AND (s.act <> 'end' OR NOT EXISTS (
          SELECT FROM strikes o LEFT JOIN strike_appeals a ON a.strike_id = o.id
          WHERE o.household_id = s.household_id AND o.state = 'standing' AND o.leave_by <= s.leave_by
            AND (a.made_at IS NULL AND o.appeal_until > :now OR a.made_at IS NOT NULL AND a.decision IS NULL)
      ))
    ORDER BY s.household_id, s.leave_by, s.id
""")
_END_BAN = text("UPDATE plates_off_list SET ends_at = GREATEST(starts_at, :now) WHERE id = :ban AND ends_at > :now")
_BAN_NIGHTS = text("""
    UPDATE stays SET state = 'cancelled', expires_at = NULL, ended_at = :now
    WHERE household_id = :household AND state IN ('held', 'confirmed')
      AND lower(during) >= :start AND lower(during) < :end
    RETURNING id
""")
_ACTIVE_PERMITS = text("SELECT id FROM permits WHERE household_id = :household AND state IN ('active', 'offered')")
_ADD_APPEAL = text("""
    INSERT INTO strike_appeals (strike_id, words, made_at, made_by) VALUES (:strike, :words, :now, :account)
    ON CONFLICT DO NOTHING
""")
_DECIDE = text("""
    UPDATE strike_appeals SET decision = :decision, note = :note, decided_at = :now, decided_by = :account
    WHERE strike_id = :strike AND decision IS NULL
""")
_PUT_POLICY = text("""
    INSERT INTO overstay_policies (neighbourhood_id, policy, changed_by, changed_at)
    VALUES (:neighbourhood, CAST(:policy AS jsonb), :account, :now)
    ON CONFLICT (neighbourhood_id) DO UPDATE SET policy = EXCLUDED.policy, changed_by = EXCLUDED.changed_by,
        changed_at = EXCLUDED.changed_at
""")
_LEAVING = text("""
    SELECT s.id, s.household_id, g.facility_id, lower(s.during) AS starts_at, upper(s.during) AS ends_at
    FROM stays s
    JOIN bays b ON b.id = s.bay_id
    JOIN bay_groups g ON g.id = b.bay_group_id
    JOIN facilities f ON f.id = g.facility_id
    LEFT JOIN overstay_policies p ON p.neighbourhood_id = f.neighbourhood_id
    WHERE s.state IN ('confirmed', 'leaving') AND s.kind = 'permit' AND lower(s.during) <= :now
      AND upper(s.during) > :now AND upper(s.during) <= CAST(:now AS timestamptz) + :most
      AND upper(s.during) <= CAST(:now AS timestamptz)
          + make_interval(mins => COALESCE(CAST(p.policy ->> 'remind_min' AS integer), :remind))
      AND NOT EXISTS (
          SELECT FROM stays later JOIN bays o ON o.id = later.bay_id JOIN bay_groups h ON h.id = o.bay_group_id
          WHERE later.household_id = s.household_id AND later.state = 'confirmed' AND h.facility_id = g.facility_id
            AND later.during @> upper(s.during)
      )
      AND NOT EXISTS (SELECT FROM notices told WHERE told.stay_id = s.id AND told.kind = 'leave_soon')
      AND (
          NOT EXISTS (
              SELECT FROM gate_devices d
              WHERE d.facility_id = g.facility_id AND d.kind = 'gate' AND d.revoked_at IS NULL
          )
          OR EXISTS (
              SELECT FROM allow_list_rows r
              JOIN gate_sessions seen ON seen.facility_id = r.facility_id AND seen.plate_hash = r.plate_hash
              WHERE r.stay_id = s.id AND r.facility_id = g.facility_id AND seen.state = 'open'
                AND (r.removed_at IS NULL OR seen.entered_at < r.removed_at)
          )
      )
""")
_STANDING = text("""
    SELECT seen.id, seen.plate_sealed, h.code AS bay_group, b.number, upper(s.during) AS leave_by
    FROM gate_sessions seen
    JOIN stays s ON s.id = :stay
    JOIN bays b ON b.id = s.bay_id
    JOIN bay_groups h ON h.id = b.bay_group_id
    WHERE seen.id = :gate_session AND seen.facility_id = :facility
""")
_FIGURES = text("""
    SELECT COALESCE(sum(m.cars), 0) AS cars, COALESCE(sum(m.still[CAST(:step AS integer)]), 0) AS late,
           COALESCE(sum(m.late_cars), 0) AS any_late, COALESCE(sum(m.late_min), 0) AS late_min
    FROM late_mornings m JOIN facilities f ON f.id = m.facility_id
    WHERE f.neighbourhood_id = :neighbourhood AND m.morning BETWEEN :first AND :last
""")
_ACTS = text("""
    SELECT s.act, count(*) AS strikes, count(*) FILTER (WHERE s.state = 'lifted') AS lifted,
           count(a.strike_id) AS appeals
    FROM strikes s
    JOIN facilities f ON f.id = s.facility_id
    JOIN neighbourhoods n ON n.id = f.neighbourhood_id
    LEFT JOIN strike_appeals a ON a.strike_id = s.id
    WHERE f.neighbourhood_id = :neighbourhood
      AND CAST(s.leave_by AT TIME ZONE n.timezone AS date) BETWEEN :first AND :last
    GROUP BY s.act
""")


def lock_household(connection: Connection, household_id: int) -> None:
    """Let one change of a household's strikes after the other happen."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:what, CAST(:household % 2147483647 AS integer))"),
        {"what": _STRUCK, "household": household_id},
    )


def list_of_household(connection: Connection, household_id: int) -> Sequence[Row[Any]]:
    """List a household's strikes with their appeals, by what happened first."""
    return connection.execute(_OF_HOUSEHOLD, {"household": household_id}).all()


def find_strike(connection: Connection, strike_id: int) -> Row[Any] | None:
    """Return a strike with its appeal, where the account may see it."""
    return connection.execute(_ONE, {"strike": strike_id}).one_or_none()


def list_of_neighbourhood(
    connection: Connection, neighbourhood_id: int, *, appealed: bool, before: int, limit: int
) -> Sequence[Row[Any]]:
    """List strikes of a neighbourhood with an id below `before`, the newest first; perhaps only open appeals."""
    values = {"neighbourhood": neighbourhood_id, "appealed": appealed, "before": before, "limit": limit}
    return connection.execute(_OF_NEIGHBOURHOOD, values).all()


def places_of(connection: Connection, facility_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Return neighbourhood, zone and policy by facility."""
    rows = connection.execute(_PLACES, {"facilities": list(facility_ids)})
    return {row.facility_id: row for row in rows}


def struck_stays(connection: Connection, stay_ids: Sequence[int]) -> set[int]:
    """Return which of some stays have a strike."""
    return set(connection.scalars(_STRUCK_STAYS, {"stays": list(stay_ids)}))


def list_unappealed(connection: Connection, *, since: datetime) -> Sequence[Row[Any]]:
    """List standing strikes for nights since a moment that nobody has appealed against, by household."""
    return connection.execute(_UNAPPEALED, {"since": since}).all()


def add_strike(connection: Connection, values: Mapping[str, Any]) -> int | None:
    """Store a strike; None where its stay has one."""
    found: int | None = connection.scalar(_ADD, {**values, "policy": json.dumps(values["policy"])})
    return found


def change_strike(connection: Connection, values: Mapping[str, Any]) -> None:
    """Store what became of a strike."""
    did = values["did"]
    connection.execute(_CHANGE, {**values, "did": None if did is None else json.dumps(did)})


def list_due(connection: Connection, *, now: datetime) -> Sequence[Row[Any]]:
    """List strikes whose consequence is due: no appeal waits, and before an end none can be made any more."""
    return connection.execute(_DUE, {"now": now}).all()


def end_ban(connection: Connection, ban_id: int, *, now: datetime) -> None:
    """Let a plate back onto the lists."""
    connection.execute(_END_BAN, {"ban": ban_id, "now": now})


def cancel_stays(connection: Connection, household_id: int, *, start: datetime, end: datetime, now: datetime) -> int:
    """Cancel a household's stays that begin in [start, end); return how many."""
    values = {"household": household_id, "start": start, "end": end, "now": now}
    return len(connection.execute(_BAN_NIGHTS, values).all())


def list_live_permits(connection: Connection, household_id: int) -> list[int]:
    """List a household's permits in force and offers that wait."""
    return list(connection.scalars(_ACTIVE_PERMITS, {"household": household_id}))


def add_appeal(connection: Connection, strike_id: int, *, words: str, account_id: int, now: datetime) -> bool:
    """Store an appeal; False where there is one."""
    values = {"strike": strike_id, "words": words, "account": account_id, "now": now}
    return connection.execute(_ADD_APPEAL, values).rowcount == 1


def decide_appeal(
    connection: Connection, strike_id: int, *, decision: str, note: str, account_id: int | None, now: datetime
) -> bool:
    """Store a decision; False where no appeal waits for one."""
    values = {"strike": strike_id, "decision": decision, "note": note, "account": account_id, "now": now}
    return connection.execute(_DECIDE, values).rowcount == 1


def find_policy(connection: Connection, neighbourhood_id: int) -> dict[str, Any] | None:
    """Return a neighbourhood's own policy."""
    query = text("SELECT policy FROM overstay_policies WHERE neighbourhood_id = :neighbourhood")
    found: dict[str, Any] | None = connection.scalar(query, {"neighbourhood": neighbourhood_id})
    return found


def put_policy(
    connection: Connection, neighbourhood_id: int, policy: Mapping[str, Any], *, account_id: int | None, now: datetime
) -> None:
    """Store a neighbourhood's policy."""
    values = {"neighbourhood": neighbourhood_id, "policy": json.dumps(policy), "account": account_id, "now": now}
    connection.execute(_PUT_POLICY, values)


def list_leaving(connection: Connection, *, remind_min: int, most: timedelta, now: datetime) -> Sequence[Row[Any]]:
    """List nights of permits that end soon and whose car is still there, or may be: their place has no gate."""
    return connection.execute(_LEAVING, {"remind": remind_min, "most": most, "now": now}).all()


def find_standing(connection: Connection, gate_session_id: int, *, stay_id: int, facility_id: int) -> Row[Any] | None:
    """Return the sealed plate and the bay of a car, where the account may see it."""
    values = {"gate_session": gate_session_id, "stay": stay_id, "facility": facility_id}
    return connection.execute(_STANDING, values).one_or_none()


def count_late(connection: Connection, neighbourhood_id: int, *, first: date, last: date, step: int) -> Row[Any]:
    """Count cars seen, those still there at a step (from 1) of the record, and minutes, over some mornings."""
    values = {"neighbourhood": neighbourhood_id, "first": first, "last": last, "step": step}
    return connection.execute(_FIGURES, values).one()


def count_strikes(connection: Connection, neighbourhood_id: int, *, first: date, last: date) -> Sequence[Row[Any]]:
    """Count strikes, those lifted, and appeals, by consequence."""
    return connection.execute(_ACTS, {"neighbourhood": neighbourhood_id, "first": first, "last": last}).all()
