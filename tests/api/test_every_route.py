"""Every route, walked as everybody: whoever is not entitled is refused, and nothing of anybody's changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, text
from starlette.routing import BaseRoute, Mount

from api.app import create_app
from api.overstays.policy import DEFAULT
from tests.api.accounts import (
    make_account,
    make_committee_worker,
    make_gate_key,
    make_owner,
    make_planner,
    make_resident,
    settings_of_tests,
)
from tests.api.estates import SLUG, Estates, give_facility, make_estates

HERE = "http://127.0.0.1"
PLATE = "沪A8K123"
NOBODY, SOMEBODY, RESIDENT, OWNER, COMMITTEE, PLANNER, GATE = (
    "nobody",
    "somebody",
    "resident",
    "owner",
    "committee worker",
    "planner",
    "gate",
)
ACCOUNTS = frozenset({SOMEBODY, RESIDENT, OWNER, COMMITTEE, PLANNER})
EVERYBODY = ACCOUNTS | {NOBODY, GATE}


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Who may use a route.

    Whoever is not in `may` is refused whatever the route is asked for. Those who are get no further with objects of
    somebody else, where the path names one, but for those `anywhere`. `body` and `headers` are such as it understands.
    """

    may: frozenset[str]
    anywhere: frozenset[str] = frozenset()
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


PUBLIC = Rule(EVERYBODY, EVERYBODY)
SIGNED_IN = Rule(ACCOUNTS)
HOUSEHOLD = Rule(frozenset({RESIDENT}))
PLANNING = Rule(frozenset({PLANNER}), frozenset({PLANNER}))
FACILITY_OF_ITS_OWNER = Rule(ACCOUNTS, frozenset({PLANNER}))
OFFERING = Rule(frozenset({OWNER, PLANNER}), frozenset({OWNER, PLANNER}))
SEEN = {"If-Match": '"2"'}
WITHDRAWAL = {"kind": "facility", "urgency": "planned", "reason": "sold", "from": "2030-01-01T00:00:00Z"}
NOTICE = {"whose": "country", "year": 2030, "source": "a notice", "days": []}
WINDOW = {"days": "daily", "from": "18:00", "to": "31:30", "bays": 3}
FEATURE = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [121.5, 31.2]},
    "properties": {
        "id": "garage",
        "kind": "park_garage",
        "name": "Taken over",
        "bay_groups": [{"id": "g", "kind": "standard", "windows": [WINDOW]}],
    },
}

RULES: dict[str, Rule] = {
    # What everybody may see.
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "HEAD /openapi.json": PUBLIC,
    "GET /neighbourhoods/{neighbourhood}": PUBLIC,
    "GET /v1/neighbourhoods": PUBLIC,
    "GET /v1/neighbourhoods/{neighbourhood}/base-map.pmtiles": PUBLIC,
    "HEAD /v1/neighbourhoods/{neighbourhood}/base-map.pmtiles": PUBLIC,
    "GET /v1/neighbourhoods/{neighbourhood}/facilities": PUBLIC,
    "GET /v1/neighbourhoods/{neighbourhood}/plans": PUBLIC,
    "GET /v1/facilities/{facility}": PUBLIC,
    "GET /v1/facilities/{facility}/availability": PUBLIC,
    "GET /v1/neighbourhoods/{neighbourhood}/free-bays": PUBLIC,
    "POST /v1/neighbourhoods/{neighbourhood}/free-bays": PUBLIC,
    "GET /v1/tiles/facilities/{z}/{x}/{y}.mvt": PUBLIC,
    "GET /v1/calendars/{neighbourhood}": PUBLIC,
    "GET /v1/calendars/{neighbourhood}/notices": PUBLIC,
    "GET /v1/plans/{plan}": PUBLIC,
    "GET /v1/plans/{plan}/assignments": PUBLIC,
    "GET /v1/plans/{plan}/unserved": PUBLIC,
    "GET /v1/plans/{plan}/certificate": PUBLIC,
    # The door itself: it asks for a password.
    "GET /log-in": PUBLIC,
    "POST /log-in": PUBLIC,
    "POST /log-out": PUBLIC,
    "POST /v1/accounts": PUBLIC,
    "POST /v1/account/password": PUBLIC,
    "POST /v1/money/providers/{provider}/confirmations": PUBLIC,  # signed by the provider
    "POST /v1/login-sessions": PUBLIC,
    "POST /v1/tokens": PUBLIC,
    # One's own account.
    "GET /v1/account": SIGNED_IN,
    "PATCH /v1/account": SIGNED_IN,
    "GET /v1/login-sessions": SIGNED_IN,
    "DELETE /v1/login-sessions": SIGNED_IN,
    "GET /v1/login-sessions/current": SIGNED_IN,
    "DELETE /v1/login-sessions/current": SIGNED_IN,
    "DELETE /v1/login-sessions/{login_session}": SIGNED_IN,
    "GET /v1/tokens": SIGNED_IN,
    "DELETE /v1/tokens/{token}": SIGNED_IN,
    "GET /v1/grants": SIGNED_IN,
    "GET /v1/owners": SIGNED_IN,
    "POST /v1/owners": SIGNED_IN,
    # One's own household.
    "PUT /v1/household": SIGNED_IN,
    "GET /v1/household": HOUSEHOLD,
    "GET /v1/household/acts": HOUSEHOLD,
    "GET /v1/vehicle": HOUSEHOLD,
    "PUT /v1/vehicle": HOUSEHOLD,
    "DELETE /v1/vehicle": HOUSEHOLD,
    "GET /v1/bookings": HOUSEHOLD,
    "POST /v1/bookings": Rule(  # who asks is found out by the statement that books: the request has to make sense first
        frozenset({RESIDENT}),
        body={"to": (datetime.now(UTC) + timedelta(days=1)).isoformat()},
        headers={"Idempotency-Key": "anybody's"},
    ),
    "GET /v1/bookings/{booking}": HOUSEHOLD,
    "POST /v1/bookings/{booking}/confirm": HOUSEHOLD,
    "POST /v1/bookings/{booking}/cancel": HOUSEHOLD,
    "GET /v1/permits": HOUSEHOLD,
    "GET /v1/permits/{permit}/nights": HOUSEHOLD,
    "POST /v1/permits/{permit}/absences": Rule(
        frozenset({RESIDENT}), body={"first": "2030-01-01", "last": "2030-01-02"}
    ),
    "DELETE /v1/permits/{permit}/absences/{night}": HOUSEHOLD,
    "POST /v1/permits/{permit}/end": HOUSEHOLD,
    "GET /v1/offers": HOUSEHOLD,
    "GET /v1/offers/{offer}": HOUSEHOLD,
    "POST /v1/offers/{offer}/accept": HOUSEHOLD,
    "POST /v1/offers/{offer}/decline": HOUSEHOLD,
    "GET /v1/waitlist": HOUSEHOLD,
    "DELETE /v1/waitlist/{entry}": HOUSEHOLD,
    "GET /v1/neighbourhoods/{neighbourhood}/waitlist": PLANNING,
    "GET /v1/rounds/{round}/waitlist/calibration": PLANNING,
    "GET /v1/money/statement": HOUSEHOLD,
    "POST /v1/money/payment-requests": HOUSEHOLD,
    "GET /v1/notices": HOUSEHOLD,
    "POST /v1/notices/{notice}/read": HOUSEHOLD,
    "GET /v1/household/contact": HOUSEHOLD,
    "PUT /v1/household/contact": Rule(frozenset({RESIDENT}), body={"email": "somebody@example.com"}),
    "POST /v1/household/contact/verification": Rule(frozenset({RESIDENT}), body={"code": "00000000"}),
    "DELETE /v1/household/contact": HOUSEHOLD,
    "GET /v1/household/deliveries": HOUSEHOLD,
    # Programs that are told.
    "GET /v1/webhooks": SIGNED_IN,
    "POST /v1/webhooks": Rule(frozenset({RESIDENT, OWNER}), body={"url": "https://example.com/hook"}),
    "DELETE /v1/webhooks/{webhook}": SIGNED_IN,
    "POST /v1/webhooks/{webhook}/secret": SIGNED_IN,
    "POST /v1/webhooks/{webhook}/ping": SIGNED_IN,
    "GET /v1/webhooks/{webhook}/deliveries": SIGNED_IN,
    # The committee.
    "POST /v1/committee/visits": Rule(frozenset({COMMITTEE})),
    "POST /v1/committee/households": Rule(frozenset({COMMITTEE})),
    "POST /v1/money/payments": Rule(
        frozenset({COMMITTEE, PLANNER}), body={"code": "ABCDEFGHJK", "cents": 1, "receipt": "7"}
    ),
    # Owners and gates.
    "GET /v1/money/income": Rule(frozenset({OWNER})),
    "GET /v1/facilities/{facility}/gate-devices": FACILITY_OF_ITS_OWNER,
    "POST /v1/facilities/{facility}/gate-devices": Rule(ACCOUNTS, frozenset({PLANNER}), {"label": "mine now"}),
    "POST /v1/gate-devices/{device}/key": FACILITY_OF_ITS_OWNER,
    "DELETE /v1/gate-devices/{device}": FACILITY_OF_ITS_OWNER,
    "GET /v1/gate": Rule(frozenset({GATE})),
    "GET /v1/facilities/{facility}/allow-list": Rule(ACCOUNTS | {GATE}, frozenset({PLANNER})),
    "GET /v1/facilities/{facility}/allow-list.csv": Rule(ACCOUNTS | {GATE}, frozenset({PLANNER})),
    "GET /v1/facilities/{facility}/allow-list/exports": FACILITY_OF_ITS_OWNER,
    "POST /v1/gate-events": Rule(frozenset({GATE})),
    "GET /v1/facilities/{facility}/gate-events/unclear": FACILITY_OF_ITS_OWNER,
    "POST /v1/gate-events/{gate_event}/car": Rule(ACCOUNTS, frozenset({PLANNER}), {"plate": "沪A8K124"}),
    "POST /v1/gate-events/{gate_event}/dismissal": FACILITY_OF_ITS_OWNER,
    "GET /v1/facilities/{facility}/gate-sessions": FACILITY_OF_ITS_OWNER,
    "GET /v1/gate-sessions": HOUSEHOLD,
    "POST /v1/gate/codes": Rule(frozenset({GATE})),
    "POST /v1/facilities/{facility}/plate-checks": Rule(frozenset({GATE}), body={"plate": "沪A8K123"}),
    "GET /v1/facilities/{facility}/contact": FACILITY_OF_ITS_OWNER,
    "PUT /v1/facilities/{facility}/contact": Rule(ACCOUNTS, frozenset({PLANNER}), {"name": "x", "phone": "110"}),
    "GET /v1/facilities/{facility}/bay-claims": FACILITY_OF_ITS_OWNER,
    "POST /v1/stays/{stay}/gate-code": HOUSEHOLD,
    "POST /v1/stays/{stay}/check-in": HOUSEHOLD,
    "POST /v1/stays/{stay}/check-out": HOUSEHOLD,
    "POST /v1/stays/{stay}/bay-taken": HOUSEHOLD,
    # Supply: drafts and their past are for the owner and planners, withdrawals happen in public.
    "POST /v1/neighbourhoods/{neighbourhood}/facilities/drafts": OFFERING,
    "POST /v1/neighbourhoods/{neighbourhood}/facilities/import": OFFERING,
    "GET /v1/imports/{import}": SIGNED_IN,
    "GET /v1/neighbourhoods/{neighbourhood}/facilities/drafts": Rule(ACCOUNTS, ACCOUNTS),
    "GET /v1/facilities/{facility}/draft": FACILITY_OF_ITS_OWNER,
    "PUT /v1/facilities/{facility}/draft": Rule(ACCOUNTS, frozenset({PLANNER}), FEATURE, SEEN),
    "DELETE /v1/facilities/{facility}/draft": Rule(ACCOUNTS, frozenset({PLANNER}), headers=SEEN),
    "POST /v1/facilities/{facility}/draft/submission": Rule(ACCOUNTS, frozenset({PLANNER}), headers=SEEN),
    "POST /v1/facilities/{facility}/draft/return": PLANNING,
    "POST /v1/facilities/{facility}/draft/publication": PLANNING,
    "GET /v1/facilities/{facility}/history": FACILITY_OF_ITS_OWNER,
    "GET /v1/facilities/{facility}/withdrawals": PUBLIC,
    "POST /v1/facilities/{facility}/withdrawals/preview": Rule(ACCOUNTS, frozenset({PLANNER}), WITHDRAWAL),
    "POST /v1/facilities/{facility}/withdrawals": Rule(
        ACCOUNTS, frozenset({PLANNER}), {"withdrawal": WITHDRAWAL, "token": "seen"}
    ),
    "POST /v1/facilities/{facility}/withdrawals/{withdrawal}/calling-off": FACILITY_OF_ITS_OWNER,
    "POST /v1/facilities/{facility}/capacity-advice": FACILITY_OF_ITS_OWNER,
    "GET /v1/facilities/{facility}/buffer": FACILITY_OF_ITS_OWNER,
    "GET /v1/facilities/{facility}/late-cars": FACILITY_OF_ITS_OWNER,
    "GET /v1/strikes": HOUSEHOLD,
    "POST /v1/strikes": Rule(frozenset({PLANNER}), body={"stay": 1}),
    "POST /v1/strikes/{strike}/appeal": Rule(frozenset({RESIDENT}), body={"words": "the gate was shut"}),
    "POST /v1/strikes/{strike}/decision": Rule(
        frozenset({PLANNER}), frozenset({PLANNER}), {"decision": "lifted", "note": "the gate was shut"}
    ),
    "GET /v1/neighbourhoods/{neighbourhood}/strikes": PLANNING,
    "GET /v1/neighbourhoods/{neighbourhood}/overstays": PLANNING,
    "GET /v1/neighbourhoods/{neighbourhood}/overstay-policy": PUBLIC,
    "PUT /v1/neighbourhoods/{neighbourhood}/overstay-policy": PLANNING,
    "PUT /v1/facilities/{facility}/buffer": FACILITY_OF_ITS_OWNER,
    "POST /v1/facilities/{facility}/buffer/application": FACILITY_OF_ITS_OWNER,
    # Rounds: dates are everybody's, applications their households', and what is decided the planners'.
    "GET /v1/neighbourhoods/{neighbourhood}/rounds": PUBLIC,
    "GET /v1/rounds/{round}": PUBLIC,
    "POST /v1/neighbourhoods/{neighbourhood}/rounds": PLANNING,
    "PUT /v1/rounds/{round}": PLANNING,
    "POST /v1/rounds/{round}/opening": PLANNING,
    "POST /v1/rounds/{round}/public-number": PLANNING,
    "POST /v1/rounds/{round}/cancellation": PLANNING,
    "POST /v1/rounds/{round}/delay": PLANNING,
    "GET /v1/rounds/{round}/applications": PLANNING,
    "POST /v1/rounds/{round}/applications": Rule(frozenset({RESIDENT}), frozenset({RESIDENT})),
    "GET /v1/applications": HOUSEHOLD,
    "GET /v1/applications/{application}": HOUSEHOLD,
    "PUT /v1/applications/{application}": Rule(frozenset({RESIDENT}), body={"version": 1, "no_bay_of_its_own": True}),
    "POST /v1/applications/{application}/withdrawal": HOUSEHOLD,
    "POST /v1/applications/{application}/documents": Rule(
        frozenset({PLANNER}), frozenset({PLANNER}), {"kind": "other", "version": 1}
    ),
    "DELETE /v1/applications/{application}/documents/{kind}": Rule(frozenset({PLANNER}), frozenset({PLANNER})),
    # Planners.
    "POST /v1/grants": PLANNING,
    "DELETE /v1/grants/{grant}": PLANNING,
    "POST /v1/owners/{owner}/verification": PLANNING,
    "POST /v1/neighbourhoods/{neighbourhood}/runs": PLANNING,
    "GET /v1/neighbourhoods/{neighbourhood}/kpis": PLANNING,
    "GET /v1/neighbourhoods/{neighbourhood}/runs": PLANNING,
    "GET /v1/runs/{run}": PLANNING,
    "GET /v1/runs/{run}/events": PLANNING,
    "POST /v1/runs/{run}/cancel": PLANNING,
    "POST /v1/rounds/{round}/allocations": PLANNING,
    "GET /v1/rounds/{round}/allocations": PLANNING,
    "GET /v1/rounds/{round}/plans": PLANNING,
    "GET /v1/rounds/{round}/plans/{plan}": PLANNING,
    "GET /v1/rounds/{round}/plans/{plan}/certificate": PLANNING,
    "GET /v1/rounds/{round}/plans/{plan}/outcomes": PLANNING,
    "GET /v1/rounds/{round}/comparison": PLANNING,
    "GET /v1/rounds/{round}/decisions": PLANNING,
    "POST /v1/rounds/{round}/decisions": Rule(
        frozenset({PLANNER}), frozenset({PLANNER}), {"application": 1, "decision": "reject", "note": "x"}
    ),
    "DELETE /v1/rounds/{round}/decisions/{decision}": PLANNING,
    "POST /v1/rounds/{round}/publication": Rule(frozenset({PLANNER}), frozenset({PLANNER}), {"plan": 1}),
    "GET /v1/rounds/{round}/report": PUBLIC,
    "GET /v1/applications/{application}/receipt": HOUSEHOLD,
    "POST /v1/calendars/{neighbourhood}/notices/preview": Rule(PLANNING.may, PLANNING.anywhere, NOTICE),
    "POST /v1/calendars/{neighbourhood}/notices": Rule(
        PLANNING.may, PLANNING.anywhere, {"notice": NOTICE, "token": "seen"}
    ),
    "GET /v1/money/trial-balance": PLANNING,
    "GET /v1/plate-disputes": PLANNING,
    "POST /v1/plate-disputes/{dispute}/decision": PLANNING,
}


def every_route(routes: Iterable[BaseRoute]) -> Iterator[str]:
    """List every route of an app as `METHOD /path`, those of its routers too; files that are served are not routes."""
    for route in routes:
        if isinstance(route, Mount):
            continue
        router = getattr(route, "original_router", None)
        if router is not None:
            yield from every_route(router.routes)
        else:
            yield from (f"{method} {route.path}" for method in sorted(route.methods))  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Scene:
    """The app, headers of everybody, and objects that belong to none of them."""

    client: TestClient
    headers: dict[str, dict[str, str]]
    objects: dict[str, object]


@pytest.fixture
def scene(engine: Engine) -> Iterator[Scene]:
    estates = make_estates(engine)
    victim = make_resident(engine, estates.east, "victim", plate=PLATE)
    their_owner, other_owner = make_owner(engine, "their-owner"), make_owner(engine, "other-owner")
    give_facility(engine, estates.garage, *their_owner.principal.owner_ids)
    give_facility(engine, estates.tower, *other_owner.principal.owner_ids)
    make_gate_key(engine, estates.garage)
    accounts = {
        SOMEBODY: make_account(engine),
        RESIDENT: make_resident(engine, estates.west),
        OWNER: other_owner,
        COMMITTEE: make_committee_worker(engine, SLUG, "West"),
        PLANNER: make_planner(engine),
    }
    headers = {NOBODY: {}, GATE: {"Authorization": f"Bearer {make_gate_key(engine, estates.tower)}"}}
    with engine.begin() as connection:
        objects = _objects(connection, estates, victim.account_id, victim.household_id)
    objects["owner"] = next(iter(their_owner.principal.owner_ids))
    app = create_app(settings_of_tests(), engine)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield Scene(client, headers | {role: account.headers for role, account in accounts.items()}, objects)


def _objects(connection: Connection, estates: Estates, account: int, household: int) -> dict[str, object]:
    """Make one object of every kind that a path can name, none of them anybody's who walks."""
    values: dict[str, Any] = {
        "account": account,
        "household": household,
        "facility": estates.garage,
        "tonight": datetime.now(UTC) + timedelta(hours=1),
        "tomorrow": datetime.now(UTC) + timedelta(hours=9),
        "policy": json.dumps(DEFAULT.document()),
    }

    def one(statement: str) -> int:
        return int(connection.execute(text(statement), values).scalar_one())

    values["vehicle"] = one("SELECT id FROM vehicles WHERE household_id = :household")
    values["group"] = one(
        """INSERT INTO bay_groups (facility_id, code, position, kinds)
           VALUES (:facility, 'g', 0, '{standard}') RETURNING id"""
    )
    values["bay"] = one("INSERT INTO bays (bay_group_id, number) VALUES (:group, 1) RETURNING id")
    values["stay"] = one(
        """INSERT INTO stays (bay_id, household_id, during, kind, state, expires_at)
           VALUES (:bay, :household, tstzrange(:tonight, :tomorrow), 'booking', 'held', now() + '1 hour')
           RETURNING id"""
    )
    one(
        """INSERT INTO bookings (stay_id, household_id, vehicle_id, booked_by)
           VALUES (:stay, :household, :vehicle, :account) RETURNING stay_id"""
    )
    one(
        """INSERT INTO facility_drafts (facility_id, neighbourhood_id, owner_id, code, version, base_version, feature)
           SELECT id, neighbourhood_id, owner_id, code, 2, 1, '{}' FROM facilities WHERE id = :facility
           RETURNING facility_id"""
    )
    values["round"] = one(
        """INSERT INTO rounds (neighbourhood_id, name, state, opens_at, closes_at, publishes_at, term, policy, work,
               number_source, secret_sealed, commitment, opened_at)
           SELECT neighbourhood_id, 'Winter', 'open', now() - interval '1 day', now() + interval '1 day',
                  now() + interval '2 days', '[2030-01-01,2030-03-31]', '{}', '{}', 'the index', 's', 'c', now()
           FROM facilities WHERE id = :facility RETURNING id"""
    )
    values["application"] = one(
        """INSERT INTO applications (round_id, household_id, vehicle_id, plate_hash, home_id, days, arrive_min,
               leave_min, submitted_at, changed_at)
           SELECT :round, h.id, :vehicle, 'p', h.home_id, 'daily', 1140, 1860, now(), now()
           FROM households h WHERE h.id = :household RETURNING id"""
    )
    values["permit"] = one(
        """INSERT INTO permits (household_id, vehicle_id, bay_group_id, term, days, arrive_min, leave_min)
           VALUES (:household, :vehicle, :group, '[2026-01-01,2031-01-01)', 'daily', 1140, 1860) RETURNING id"""
    )
    return {
        "neighbourhood": SLUG,
        "offer": one(
            """INSERT INTO offers (permit_id, household_id, source, made_at)
               VALUES (:permit, :household, 'plan', now()) RETURNING id"""
        ),
        "entry": one(
            """INSERT INTO waitlist_entries (round_id, application_id, household_id, tier, rounds_waited, draw,
                   joined_at)
               VALUES (:round, :application, :household, 3, 0, 'd', now()) RETURNING id"""
        ),
        "night": "2030-01-01",
        "round": values["round"],
        "application": values["application"],
        "decision": one(
            """INSERT INTO round_decisions (round_id, application_id, decision, note, decided_at)
               SELECT round_id, id, 'reject', 'x', submitted_at FROM applications RETURNING id"""
        ),
        "kind": "other",
        "facility": estates.garage,
        "plan": 1,
        "booking": values["stay"],
        "permit": values["permit"],
        "stay": values["stay"],
        "import": one(
            """INSERT INTO facility_imports (neighbourhood_id, asked_by, publish, file, reading)
               SELECT neighbourhood_id, :account, false, '', '{}' FROM facilities WHERE id = :facility RETURNING id"""
        ),
        "strike": one(
            """INSERT INTO strikes (household_id, facility_id, stay_id, leave_by, late_until, struck_at, expires_at,
                   appeal_until, place, act, effective_at, policy)
               SELECT household_id, :facility, id, now(), now() + '1 hour', now(), now() + '9 days', now() + '7 days',
                   1, 'warning', now(), CAST(:policy AS jsonb) FROM stays WHERE id = :stay RETURNING id"""
        ),
        "notice": one(
            """INSERT INTO notices (household_id, kind, stay_id, facts)
               SELECT household_id, 'leave_soon', id, jsonb_build_object(
                   'facility', CAST(:facility AS bigint), 'from', lower(during), 'to', upper(during))
               FROM stays WHERE id = :stay RETURNING id"""
        ),
        "webhook": one(
            """INSERT INTO webhook_endpoints (household_id, url_sealed, secret_sealed, created_at)
               VALUES (:household, 'x', 'y', now()) RETURNING id"""
        ),
        "run": one(
            """INSERT INTO allocation_runs (neighbourhood_id, parameters)
               SELECT neighbourhood_id, '{}' FROM facilities WHERE id = :facility RETURNING id"""
        ),
        "token": one("SELECT id FROM bearer_tokens WHERE account_id = :account"),
        "login_session": one(
            """INSERT INTO login_sessions (account_id, secret_hash, expires_at)
               VALUES (:account, 'y', now() + '1 day') RETURNING id"""
        ),
        "grant": one("SELECT min(id) FROM grants"),
        "device": one("SELECT id FROM gate_devices WHERE facility_id = :facility"),
        "withdrawal": one(
            """INSERT INTO withdrawals (facility_id, version, change, urgency, reason, effective_from, stays, permits,
                   households) SELECT id, 99, '{}', 'planned', 'sold', now() + interval '9 days', 0, 0, 0
               FROM facilities WHERE id = :facility RETURNING id"""
        ),
        "gate_event": one(
            """INSERT INTO gate_events (facility_id, source, name, content_hash, direction, happened_at, received_at,
                   match)
               VALUES (:facility, 'file', 'e', '', 'entry', now(), now(), 'unknown') RETURNING id"""
        ),
        "dispute": one(
            """INSERT INTO plate_disputes (household_id, plate_hash, plate_sealed)
               VALUES (:household, 'h', 's') RETURNING id"""
        ),
    }


def test_every_route_is_classified(scene: Scene) -> None:
    """Whoever adds a route says in RULES who may use it; whoever takes one away takes its rule along."""
    there = set(every_route(scene.client.app.routes))  # type: ignore[attr-defined]  # the app itself
    assert there - RULES.keys() == set(), "say in RULES who may use these"
    assert RULES.keys() - there == set(), "these are gone"
    named = {name for route in there if RULES[route] is not PUBLIC for name in re.findall(r"\{(\w+)\}", route)}
    assert named - scene.objects.keys() == set(), "make a foreign object of these"


def test_every_route_the_description_tells_of_is_walked(scene: Scene) -> None:
    told = scene.client.get("/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in told.items() for method in methods}
    assert len(routes) > 30
    assert routes <= set(every_route(scene.client.app.routes))  # type: ignore[attr-defined]  # the app itself


def test_whoever_is_not_entitled_is_refused_on_every_route(scene: Scene, engine: Engine) -> None:
    before, faults, walked = contents(engine), [], 0
    for route, rule in RULES.items():
        method, path = route.split(" ")
        for role in EVERYBODY - rule.may | ((rule.may - rule.anywhere) if "{" in path else frozenset()):
            answer = scene.client.request(
                method,
                path.format_map(scene.objects),
                headers={**rule.headers, **scene.headers[role]},
                json=rule.body if method in ("POST", "PUT", "PATCH") else None,
            )
            walked += 1
            if answer.status_code not in ((401,) if role == NOBODY else (401, 403, 404)):
                faults.append(f"{route} as {role}: {answer.status_code}")
    assert faults == []
    assert walked > 150
    assert contents(engine) == before


def test_those_who_walk_are_signed_in(scene: Scene) -> None:
    """The twin: they are refused for what they ask, not because their tokens do not work."""
    for role in ACCOUNTS:
        assert scene.client.get("/v1/account", headers=scene.headers[role]).status_code == 200, role
    assert scene.client.get("/v1/gate", headers=scene.headers[GATE]).status_code == 200
    assert scene.client.get("/v1/household", headers=scene.headers[RESIDENT]).status_code == 200
    assert scene.client.get("/v1/plate-disputes", headers=scene.headers[COMMITTEE]).status_code == 403


def contents(engine: Engine) -> dict[str, list[str]]:
    """Give everything that a refused request must leave alone."""
    passing = {"log_in_attempts", "spatial_ref_sys"}
    with engine.connect() as connection:
        names = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"))
        return {
            name: sorted(map(str, connection.execute(text(f'SELECT * FROM "{name}"'))))
            for name in names.scalars()
            if name not in passing
        }
