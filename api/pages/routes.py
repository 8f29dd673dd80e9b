"""The planner's page of a neighbourhood."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection, Row

from api.dependencies import Connected
from api.facilities.queries import find_newest_plan_id
from api.neighbourhoods.loading import load_extra_properties, load_neighbourhood
from api.neighbourhoods.queries import find_base_map_size, get_neighbourhood, list_neighbourhoods
from api.pages.map_data import embedded_json, map_data
from api.pages.rendering import render
from api.pages.view import View, build_view
from api.plans.queries import get_plan, load_plan_content

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
_MOST_VIEWS = 8


class ViewCache:
    """The last few pages' contents: plans do not change, so what was computed once stays true."""

    def __init__(self) -> None:
        self._views: OrderedDict[tuple[int, int | None], View] = OrderedDict()
        self._lock = Lock()

    def get_view(self, connection: Connection, row: Row[Any]) -> View:
        """Return the view of a neighbourhood with its newest plan."""
        key = (int(row.id), find_newest_plan_id(connection, row.id))
        with self._lock:
            if key in self._views:
                self._views.move_to_end(key)
                return self._views[key]
        view = _load_view(connection, row, plan_id=key[1])
        with self._lock:
            self._views[key] = view
            while len(self._views) > _MOST_VIEWS:
                self._views.popitem(last=False)
        return view


@router.get("/")
def get_start(connection: Connected) -> Response:
    """Go to the newest neighbourhood, or say how to get one."""
    found = list_neighbourhoods(connection)
    if found:
        return RedirectResponse(f"/neighbourhoods/{found[0].slug}", status_code=302)
    words = "Import one with: baytide import FOLDER. A folder made from OpenStreetMap: baytide sample."
    return HTMLResponse(render("empty.html", title="No neighbourhood yet", words=words))


@router.get("/neighbourhoods/{neighbourhood}")
def get_page(request: Request, connection: Connected, neighbourhood: str) -> Response:
    """Show a neighbourhood with its newest plan."""
    row = get_neighbourhood(connection, neighbourhood)
    view = request.app.state.views.get_view(connection, row)
    base = {"archive": f"/v1/neighbourhoods/{row.slug}/base-map.pmtiles"} if view.has_streets else None
    page = render(
        "service.html",
        view=view,
        icon="/assets/icon.svg",
        map_json=embedded_json(map_data(view, base=base)),
        others=[other for other in list_neighbourhoods(connection) if other.id != row.id],
    )
    return HTMLResponse(page)


def _load_view(connection: Connection, row: Row[Any], *, plan_id: int | None) -> View:
    return build_view(
        load_neighbourhood(connection, row.slug),
        plan=load_plan_content(connection, plan_id) if plan_id else None,
        certificate=get_plan(connection, plan_id).certificate if plan_id else None,
        extra=load_extra_properties(connection, row.id),
        has_streets=find_base_map_size(connection, row.id) is not None,
    )
