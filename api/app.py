"""The service: read endpoints for neighbourhoods, facilities and plans, and the planner's page."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access_log import AccessLog
from api.accounts.keys import Keys
from api.accounts.login_routes import router as login_router
from api.accounts.page_routes import router as login_pages_router
from api.accounts.routes import router as accounts_router
from api.bookings.routes import router as bookings_router
from api.calendars.routes import router as calendars_router
from api.capacity.routes import router as capacity_router
from api.conditional import EntityTags
from api.db.connection import make_engine, make_quick_engine
from api.dependencies import Turns
from api.facilities.draft_routes import router as drafts_router
from api.facilities.import_routes import router as imports_router
from api.facilities.routes import router as facilities_router
from api.facilities.withdrawal_routes import router as withdrawals_router
from api.finding.nights import UsualNights
from api.finding.routes import router as finding_router
from api.gates.check_routes import router as gate_checks_router
from api.gates.event_routes import router as gate_events_router
from api.gates.list_routes import router as allow_lists_router
from api.gates.routes import router as gates_router
from api.gates.stay_routes import router as gate_stays_router
from api.grants.routes import router as grants_router
from api.health import router as health_router
from api.households.routes import router as households_router
from api.interface.describing import install_description, name_of
from api.kpis.routes import router as kpis_router
from api.money.routes import router as money_router
from api.neighbourhoods.routes import router as neighbourhoods_router
from api.notices.contact_routes import router as contacts_router
from api.notices.routes import router as notices_router
from api.offers.routes import router as offers_router
from api.overstays.buffer_routes import router as buffers_router
from api.overstays.routes import router as overstays_router
from api.pages.assets import STATIC, page_assets
from api.pages.routes import ViewCache
from api.pages.routes import router as pages_router
from api.permits.routes import router as permits_router
from api.plans.routes import router as plans_router
from api.problems import LargeBodiesRefused, install_problems
from api.rate_limits import RateLimits
from api.rounds.allocation_routes import router as allocations_router
from api.rounds.application_routes import router as applications_router
from api.rounds.publication_routes import router as publications_router
from api.rounds.routes import router as rounds_router
from api.runs.routes import router as runs_router
from api.settings import Settings
from api.telemetry import make_telemetry
from api.telemetry import router as metrics_router
from api.tiles.recent import RecentTiles
from api.tiles.routes import router as tiles_router
from api.vehicles.routes import router as vehicles_router
from api.waitlist.calibration_routes import router as calibration_router
from api.waitlist.routes import router as waitlist_router
from api.webhooks.routes import router as webhooks_router

_LOOPBACK = ("127.0.0.1", "localhost")
_MOST_BODY_BYTES = 256 * 1024
"""A request is a form's worth; routes that take files say so."""
_ROUTERS = (
    bookings_router,  # first what is asked for most: routes are tried in order
    finding_router,
    health_router,
    metrics_router,
    accounts_router,
    login_router,
    login_pages_router,
    households_router,
    vehicles_router,
    grants_router,
    gates_router,
    allow_lists_router,
    gate_events_router,
    gate_checks_router,
    gate_stays_router,
    neighbourhoods_router,
    facilities_router,
    drafts_router,
    imports_router,
    withdrawals_router,
    capacity_router,
    buffers_router,
    overstays_router,
    tiles_router,
    permits_router,
    offers_router,
    waitlist_router,
    calendars_router,
    calibration_router,
    notices_router,
    contacts_router,
    webhooks_router,
    money_router,
    rounds_router,
    applications_router,
    plans_router,
    kpis_router,
    runs_router,
    allocations_router,
    publications_router,
    pages_router,
)
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


def create_app(settings: Settings, engine: Engine) -> FastAPI:
    """
    Build the service on a database that is migrated.

    Raises
    ------
    AssetsMissing
        The browser's libraries are not installed.
    """
    assets, telemetry = page_assets(), make_telemetry()
    app = FastAPI(
        title="Baytide",
        summary="Shared night parking: what is shared, who is planned where, and the proof.",
        version="1",
        docs_url=None,  # they load their scripts from elsewhere
        redoc_url=None,
        telemetry=telemetry.config,
        lifespan=_lifespan,
        generate_unique_id_function=name_of,
    )
    app.state.telemetry = telemetry
    app.state.engine = engine
    app.state.quick_engine = make_quick_engine(engine)
    app.state.turns = Turns()
    app.state.settings = settings
    app.state.keys = Keys(settings)
    app.state.views = ViewCache()
    app.state.usual_nights = UsualNights()
    app.state.recent_tiles = RecentTiles()
    install_problems(app)
    install_description(app)
    app.add_middleware(EntityTags)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=_MOST_BODY_BYTES)  # here, within what rewords it
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    if settings.requests_per_s:
        app.add_middleware(RateLimits, per_s=settings.requests_per_s)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(AccessLog)
    app.add_middleware(LargeBodiesRefused)
    if settings.host in _LOOPBACK:
        # A page of some other site must not reach us under a name of its own that points here (DNS rebinding).
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(_LOOPBACK))
    for router in _ROUTERS:
        # Their routes as they are: an included router looks for the route twice, a fifth of what a request takes.
        for route in router.routes:
            if isinstance(route, APIRoute):
                route.unique_id = name_of(route)
        app.router.routes.extend(router.routes)
    app.mount("/assets/maplibre-gl", StaticFiles(directory=assets.maplibre))
    app.mount("/assets/pmtiles", StaticFiles(directory=assets.pmtiles))
    app.mount("/assets", StaticFiles(directory=STATIC))
    return app


def create_worker_app(settings: Settings) -> FastAPI:
    """
    Build the app of one of several processes, on a database that the first of them has opened and migrated.

    What opens and migrates is not loaded here: a worker has no use for it.
    """
    app = create_app(settings, make_engine(settings.database_url or ""))
    keep_what_there_is()
    return app


def keep_what_there_is() -> None:
    """
    Let a process that is about to serve look for garbage only in what it makes from here on.

    What has been made up to here stays: looked through again and again it would stop requests for long. For the process
    to say, not for an app: one that makes many apps, as tests do, would look through everything for each of them.
    """
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.quick_engine.dispose()


class SecurityHeaders:
    """Middleware: says on every answer what a page may load, and who may look at it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", [])
                there = {name for name, _ in headers}
                message["headers"] = [*headers, *(header for header in _SECURITY_HEADERS if header[0] not in there)]
            await send(message)

        await self._app(scope, receive, secured if scope["type"] == "http" else send)
