"""Words for the description of the interface that belong to no single route."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

TAGS = MappingProxyType(
    {
        "accounts": "Making an account, and one's own.",
        "log-in": "Login sessions for pages, bearer tokens for programs; both can be revoked.",
        "households": "Where a household lives; committee workers who act for one, and what they did.",
        "vehicles": "The household's car, and plates that two households name.",
        "neighbourhoods": "What is looked after here, and its base map.",
        "finding": "Free bays near home, by walking distance.",
        "bookings": "Hold, confirm, cancel. The database itself refuses a bay to a second car.",
        "permits": "The right to a facility for a term: offers, the waitlist, its nights, and nights given back.",
        "notices": "What a household is told, and where it wants to be written to.",
        "webhooks": "Programs that are told, by signed requests.",
        "money": "Fees, deposits and refunds: statements, income, payments by code; no card data.",
        "facilities": "What is shared: places, bays, windows, and how full they are.",
        "calendars": "Workdays and rest days, provisional ones marked; what happens when a notice lands.",
        "supply": "Owners draft, planners publish; withdrawals show whom they hit before they are confirmed.",
        "gates": "Devices at barriers: whom they let in, what they saw, and what helps where one fails.",
        "overstays": "Cars that leave late: strikes, appeals, and the rules.",
        "tiles": "Facilities with their free bays for a map.",
        "rounds": "Dates fixed in public, what is given away and how it is drawn; plans, their review and publication.",
        "applications": "What households ask for, until closing.",
        "plans": "Who parks where, who does not and why, and the proof.",
        "kpis": "The figures by which a scheme is judged.",
        "runs": "Plans being computed.",
        "grants": "Roles and owners, granted and verified by planners.",
        "health": "Whether the service runs and can work, and its figures.",
    }
)
"""What the groups of operations are about, in the order they are shown."""

PARAMETERS = MappingProxyType(
    {
        "after": "`next` of the page before",
        "before": "`next` of the page before",
        "application": "Id of an application",
        "booking": "Id of a booking of the household",
        "decision": "Id of a reviewer's decision",
        "device": "Id of a gate device",
        "entry": "Id of an entry of the household on a waitlist",
        "dispute": "Id of a claim on a plate",
        "facility": "Id of a facility",
        "first": "First day, included",
        "from": "When all places open (`18:00`), where the file does not say",
        "gate_event": "Id of an event that a gate sent",
        "grant": "Id of a grant",
        "import": "Id of an import that is done in the background",
        "kind": "What kind of document it was",
        "last": "Last day, included",
        "limit": "Most rows of one answer",
        "login_session": "Id of a login session of one's own",
        "needs": "What the bay must have",
        "neighbourhood": "Name of a neighbourhood as in addresses: `id` in the list",
        "notice": "Id of a notice to the household",
        "owner": "Id of an owner",
        "night": "The day a night begins on",
        "offer": "Id of an offer to the household",
        "permit": "Id of a permit of the household",
        "plan": "Id of a plan",
        "provider": "Name of a payment provider",
        "Range": "The bytes wanted, as `bytes=0-126`",
        "round": "Id of a round",
        "run": "Id of a run",
        "stay": "Id of a stay of the household: a booking, or a night of its permit",
        "to": "When all places close; beyond 24:00 is the next morning (`32:00`)",
        "strike": "Id of a strike",
        "token": "Id of a token of one's own",
        "webhook": "Id of a webhook of one's own",
        "withdrawal": "Id of a withdrawal of the facility",
        "x": "Column of the tile, from the west",
        "y": "Row of the tile, from the north",
        "z": "Zoom of the tile",
    }
)
"""Parameters that mean the same wherever they come."""

FEATURE: dict[str, Any] = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [121.5192, 31.2671]},
    "properties": {
        "id": "park-garage",
        "kind": "park_garage",
        "name": "Park garage",
        "night_price_cents": 1200,
        "buffer_bays": 1,
        "bay_groups": [
            {
                "id": "std",
                "kind": "standard",
                "windows": [
                    {"days": "daily", "from": "18:00", "to": "31:30", "bays": 20, "last_entry": "22:00"},
                ],
            }
        ],
    },
}
_NIGHT = {"from": "2026-09-16T18:30", "to": "2026-09-17T07:30"}
_WITHDRAWAL = {
    "kind": "bays",
    "bay_group": "std",
    "bays": 12,
    "urgency": "planned",
    "reason": "More cars of our own in the morning",
    "from": "2026-11-01T00:00:00Z",
}
EXAMPLES: dict[tuple[str, str], Any] = {
    ("post", "/v1/accounts"): {"name": "wang", "password": "a long one nobody guesses", "language": "zh"},
    ("patch", "/v1/account"): {"language": "en"},
    ("post", "/v1/login-sessions"): {"log_in_name": "wang-204718", "password": "a long one nobody guesses"},
    ("post", "/v1/tokens"): {
        "grant_type": "password",
        "username": "wang-204718",
        "password": "a long one nobody guesses",
        "label": "phone",
    },
    ("put", "/v1/household"): {"home": 17},
    ("post", "/v1/committee/visits"): {"log_in_name": "wang-204718"},
    ("put", "/v1/household/contact"): {"email": "wang@example.com", "language": "zh"},
    ("post", "/v1/household/contact/verification"): {"code": "20471822"},
    ("post", "/v1/webhooks"): {"url": "https://gates.example.com/baytide", "kinds": ["allow_list"], "owner": 3},
    ("put", "/v1/vehicle"): {"plate": "沪A8K123", "height_m": 1.62, "needs": ["ev"]},
    ("post", "/v1/calendars/{neighbourhood}/notices/preview"): {
        "whose": "country",
        "year": 2027,
        "source": "国办发明电〔2026〕7号",
        "days": [{"date": "2027-02-20", "kind": "workday", "holiday": "春节"}],
    },
    ("post", "/v1/grants"): {"log_in_name": "li-118220", "role": "owner", "owner": 3},
    ("post", "/v1/owners"): {"name": "Jiangpu Park Management"},
    ("post", "/v1/facilities/{facility}/gate-devices"): {"label": "north barrier"},
    ("post", "/v1/gate-events"): {
        "events": [
            {"id": "n-20260916-0042", "direction": "entry", "at": "2026-09-16T18:31:07", "plate": "沪A8K123"},
            {"id": "n-20260916-0043", "direction": "exit", "at": "2026-09-16T18:33:40", "plate": "沪B2?510"},
        ]
    },
    ("post", "/v1/gate/codes"): {"code": "04318827", "direction": "entry"},
    ("post", "/v1/facilities/{facility}/plate-checks"): {"plate": "沪A8K123"},
    ("put", "/v1/facilities/{facility}/contact"): {"name": "night porter", "phone": "+86 21 5555 0100"},
    ("post", "/v1/stays/{stay}/bay-taken"): {"evidence": "a white van without a permit"},
    ("post", "/v1/gate-events/{gate_event}/car"): {"plate": "沪A8K123"},
    ("post", "/v1/neighbourhoods/{neighbourhood}/facilities/drafts"): FEATURE,
    ("put", "/v1/facilities/{facility}/draft"): FEATURE,
    ("post", "/v1/facilities/{facility}/withdrawals/preview"): _WITHDRAWAL,
    ("post", "/v1/neighbourhoods/{neighbourhood}/free-bays"): {
        "place": {"lon": 121.5181, "lat": 31.2661},
        "needs": ["ev"],
        "max_walk_m": 400,
        **_NIGHT,
    },
    ("post", "/v1/bookings"): {"facility": 5, "confirm": False, **_NIGHT},
    ("post", "/v1/permits/{permit}/absences"): {"first": "2026-10-01", "last": "2026-10-07"},
    ("post", "/v1/rounds/{round}/decisions"): {
        "application": 4711,
        "decision": "lock",
        "facility": 5,
        "note": "The household was promised this garage when its own was torn down",
    },
    ("post", "/v1/rounds/{round}/publication"): {"plan": 12},
    ("post", "/v1/neighbourhoods/{neighbourhood}/runs"): {"seed": 7, "time_limit_s": 60},
}
"""What the bodies that people send most look like, by method and path."""
