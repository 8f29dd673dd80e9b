"""The service: read endpoints for neighbourhoods, facilities and plans, and the planner's page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine

from api.facilities.routes import router as facilities_router
from api.health import router as health_router
from api.neighbourhoods.routes import router as neighbourhoods_router
from api.pages.assets import STATIC, page_assets
from api.pages.routes import ViewCache
from api.pages.routes import router as pages_router
from api.plans.routes import router as plans_router
from api.problems import install_problems
from api.settings import Settings

_LOOPBACK = ("127.0.0.1", "localhost")
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


def create_app(settings: Settings, engine: Engine) -> FastAPI:
    """
    Build the service on a database that is migrated.

    Raises
    ------
    AssetsMissing
        The browser's libraries are not installed.
    """
    assets = page_assets()
    app = FastAPI(
        title="Baytide",
        summary="Shared night parking: what is shared, who is planned where, and the proof.",
        version="1",
        docs_url=None,  # they load their scripts from elsewhere
        redoc_url=None,
    )
    app.state.engine = engine
    app.state.settings = settings
    app.state.views = ViewCache()
    install_problems(app)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.middleware("http")(_with_security_headers)
    if settings.host in _LOOPBACK:
        # A page of some other site must not reach us under a name of its own that points here (DNS rebinding).
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(_LOOPBACK))
    for router in (health_router, neighbourhoods_router, facilities_router, plans_router, pages_router):
        app.include_router(router)
    app.mount("/assets/maplibre-gl", StaticFiles(directory=assets.maplibre))
    app.mount("/assets/pmtiles", StaticFiles(directory=assets.pmtiles))
    app.mount("/assets", StaticFiles(directory=STATIC))
    return app


async def _with_security_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    return response
