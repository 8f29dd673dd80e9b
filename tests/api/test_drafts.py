"""Owners write, planners publish, and nobody sees what is not published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from api.neighbourhoods.exporting import export_folder
from tests.api.accounts import make_owner, signed_in
from tests.api.supply import (
    DRAFTS,
    TOWER,
    Lane,
    book,
    match,
    ok,
    open_lane,
    problem,
    publish,
    tower,
    with_bays,
    with_group,
)

PUBLIC = "/v1/neighbourhoods/lane-9/facilities"
SQUARE: list[list[float]] = [[0, 0], [2e-5, 0], [2e-5, 4e-5], [0, 4e-5], [0, 0]]


@pytest.fixture
def town(engine: Engine, lane: Path) -> Iterator[Lane]:
    with open_lane(engine, lane) as town:
        yield town


def codes(town: Lane) -> list[str]:
    return [feature["properties"]["code"] for feature in ok(town.public.get(PUBLIC))["features"]]


def square(east: float) -> dict[str, object]:
    ring = [[121.5185 + east + x, 31.2662 + y] for x, y in SQUARE]
    return {"type": "Polygon", "coordinates": [ring]}


def test_what_a_planner_publishes_is_bookable_at_once(town: Lane) -> None:
    facility = publish(town)
    assert codes(town) == ["park", "road", "tower"]
    shown = ok(town.public.get(f"/v1/facilities/{facility}"))["properties"]
    assert (shown["night_price_cents"], shown["bays"], shown["version"]) == (800, 3, 2)
    booked = ok(book(town.resident(), facility, days=1), 201)
    assert (booked["state"], booked["place"]["facility"]) == ("confirmed", facility)
    assert booked["walk_m"] < 200


def test_walks_to_a_new_facility_run_along_the_streets_around_it(engine: Engine, lane: Path) -> None:
    """The corner of tower and street 10 is 57 m east of h1's: the network knows more than the straight line × 1.3."""
    with open_lane(engine, lane, streets=True) as town:
        facility = publish(town)
        walks = "SELECT count(*) FROM walk_pairs WHERE facility_id = :f"
        assert town.count(walks, f=facility) == town.count("SELECT count(*) FROM homes")
        assert town.count("SELECT count(*) FROM walk_doors WHERE facility_id = :f", f=facility) == 1
        by_street = ok(book(town.resident(), facility, days=1), 201)["walk_m"]
        assert by_street > 40


def test_walks_that_the_neighbourhood_measured_are_the_truth_for_a_new_facility(town: Lane) -> None:
    """walks.csv says 90 m from h1 to not-yet-offered, and nothing of other homes."""
    facility = publish(town, tower(id="not-yet-offered"))
    assert town.count("SELECT count(*) FROM walk_pairs WHERE facility_id = :f", f=facility) == 1
    assert ok(book(town.resident(), facility, days=1), 201)["walk_m"] == 90


def test_nothing_of_a_draft_is_seen_by_anybody_else(town: Lane, tmp_path: Path) -> None:
    draft = ok(town.owner.post(DRAFTS, json=TOWER), 201)
    path = f"/v1/facilities/{draft['facility']}"
    assert codes(town) == ["park", "road"]
    assert ok(town.public.get("/v1/neighbourhoods"))[0]["facilities"] == 2
    for client in (town.public, town.other, town.resident()):
        problem(client.get(path), 404)
        problem(client.get(f"{path}/availability?from=2026-12-01T00:00&to=2026-12-02T00:00"), 404)
        answer = client.get(f"{path}/draft")
        assert answer.status_code == (401 if client is town.public else 404)
    assert ok(town.other.get(DRAFTS))["drafts"] == []
    assert town.count("SELECT count(*) FROM facilities WHERE code = 'tower'") == 0
    assert town.count("SELECT count(*) FROM openings WHERE facility_id = :f", f=draft["facility"]) == 0
    assert problem(book(town.resident("neighbour"), draft["facility"], days=1), 404)
    export_folder(town.engine, "lane-9", tmp_path / "out")
    assert "tower" not in (tmp_path / "out/facilities.geojson").read_text().lower()


def test_a_draft_is_seen_by_its_owner_and_by_planners(town: Lane) -> None:
    draft = ok(town.owner.post(DRAFTS, json=TOWER), 201)
    for client in (town.owner, town.planner):
        shown = client.get(f"/v1/facilities/{draft['facility']}/draft")
        assert ok(shown) == draft
        assert shown.headers["etag"] == '"1"'
        assert ok(client.get(DRAFTS))["drafts"] == [draft]


def test_drafts_come_page_by_page(town: Lane) -> None:
    made = [ok(town.owner.post(DRAFTS, json=tower(id=f"t{n}")), 201)["facility"] for n in range(3)]
    first = ok(town.owner.get(DRAFTS, params={"limit": 2}))
    second = ok(town.owner.get(DRAFTS, params={"limit": 2, "after": first["next"]}))
    assert [draft["facility"] for page in (first, second) for draft in page["drafts"]] == made
    assert second["next"] is None


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"kind": "garage"}, "kind", "expected one of"),
        ({"id": ""}, "id", "expected a text"),
        ({"max_height_m": -1}, "max_height_m", "expected metres"),
        ({"night_price_cents": "8"}, "night_price_cents", "expected a whole number"),
        ({"notice_days": 1000}, "notice_days", "between 0 and 366"),
        ({"bay_groups": None}, "bay_groups", "is missing"),
        ({"closures": [{"from": "2026-12-02", "to": "2026-12-01"}]}, "closures[0].to", "must be after"),
        ({"name": "zero \0 character"}, "feature", "zero character"),
        ({"name": "\ud800"}, "feature", "cannot be stored"),
    ],
)
def test_a_fault_is_named_by_its_field(town: Lane, change: dict[str, object], field: str, said: str) -> None:
    body = json.dumps(tower(**change))
    answer = town.owner.post(DRAFTS, content=body, headers={"Content-Type": "application/json"})
    found = {error["field"]: error["what"] for error in problem(answer, 422)["errors"]}
    assert said in found[field]
    assert ok(town.owner.get(DRAFTS))["drafts"] == []


def test_coordinates_of_a_chinese_map_are_stored_as_wgs_84(town: Lane) -> None:
    draft = ok(town.owner.post(DRAFTS, params={"crs": "GCJ-02"}, json=TOWER), 201)
    lon, lat = draft["feature"]["geometry"]["coordinates"]
    assert (121.5185 - lon, 31.2662 - lat) == pytest.approx((0.0045, -0.0021), abs=2e-4)


def test_an_id_is_taken_once(town: Lane) -> None:
    ok(town.owner.post(DRAFTS, json=TOWER), 201)
    problem(town.other.post(DRAFTS, json=TOWER), 409)
    problem(town.owner.post(DRAFTS, json=tower(id="park")), 409)


def test_a_resident_drafts_nothing(town: Lane) -> None:
    problem(town.resident().post(DRAFTS, json=TOWER), 403)
    problem(town.public.post(DRAFTS, json=TOWER), 401)


def test_an_owner_drafts_in_nobody_elses_name(town: Lane) -> None:
    problem(town.other.post(DRAFTS, params={"owner": town.owner_id}, json=TOWER), 403)
    assert ok(town.planner.post(DRAFTS, params={"owner": town.owner_id}, json=TOWER), 201)["owner"] == town.owner_id
    problem(town.planner.post(DRAFTS, params={"owner": 10**9}, json=tower(id="t2")), 404)


def test_an_owner_changes_nothing_of_another(town: Lane) -> None:
    facility = publish(town)
    path = f"/v1/facilities/{facility}"
    problem(town.other.put(f"{path}/draft", json=TOWER, headers=match(2)), 403)
    problem(town.other.get(f"{path}/history"), 403)
    ok(town.owner.put(f"{path}/draft", json=with_bays(4), headers=match(2)))
    problem(town.other.get(f"{path}/draft"), 404)
    problem(town.other.post(f"{path}/draft/submission", headers=match(3)), 404)
    problem(town.other.delete(f"{path}/draft", headers=match(3)), 404)


def test_an_owner_publishes_nothing_itself(town: Lane) -> None:
    draft = ok(town.owner.post(DRAFTS, json=TOWER), 201)
    path = f"/v1/facilities/{draft['facility']}/draft"
    ok(town.owner.post(f"{path}/submission", headers=match(1)))
    problem(town.owner.post(f"{path}/publication", headers=match(2), json={}), 403)
    problem(town.owner.post(f"{path}/return", headers=match(2), json={"reason": "no"}), 403)
    assert codes(town) == ["park", "road"]


def test_an_owner_is_verified_before_anything_of_its_is_published(town: Lane) -> None:
    account = make_owner(town.engine, "new", verified=False)
    new, [owner_id] = signed_in(town.public, account), account.principal.owner_ids
    draft = ok(new.post(DRAFTS, json=TOWER), 201)
    path = f"/v1/facilities/{draft['facility']}/draft"
    ok(new.post(f"{path}/submission", headers=match(1)))
    refused = problem(town.planner.post(f"{path}/publication", headers=match(2), json={}), 409)
    assert "not been verified" in refused["detail"]
    problem(new.post(f"/v1/owners/{owner_id}/verification"), 403)
    ok(town.planner.post(f"/v1/owners/{owner_id}/verification"))
    ok(town.planner.post(f"{path}/publication", headers=match(2), json={}))
    assert "tower" in codes(town)


def test_a_draft_is_submitted_before_it_is_published(town: Lane) -> None:
    draft = ok(town.owner.post(DRAFTS, json=TOWER), 201)
    path = f"/v1/facilities/{draft['facility']}/draft"
    refused = problem(town.planner.post(f"{path}/publication", headers=match(1), json={}), 409)
    assert "not been submitted" in refused["detail"]
    # An edit takes a submission back: what was looked at is what is published.
    ok(town.owner.post(f"{path}/submission", headers=match(1)))
    ok(town.owner.put(path, json=with_bays(5), headers=match(2)))
    problem(town.planner.post(f"{path}/publication", headers=match(2), json={}), 412)
    problem(town.planner.post(f"{path}/publication", headers=match(3), json={}), 409)


def test_a_change_says_which_version_it_begins_from(town: Lane) -> None:
    draft = ok(town.owner.post(DRAFTS, json=TOWER), 201)
    path = f"/v1/facilities/{draft['facility']}/draft"
    problem(town.owner.put(path, json=with_bays(4)), 428)
    for stale in ("2", "x", "9" * 50, "*"):
        problem(town.owner.put(path, json=with_bays(4), headers={"If-Match": f'"{stale}"'}), 412)
    changed = town.owner.put(path, json=with_bays(4), headers=match(1))
    assert (ok(changed)["version"], changed.headers["etag"]) == (2, '"2"')
    problem(town.owner.put(path, json=with_bays(5), headers=match(1)), 412)


def test_of_two_edits_at_once_one_wins_and_one_is_told(town: Lane) -> None:
    draft = ok(town.owner.post(DRAFTS, json=TOWER), 201)
    path = f"/v1/facilities/{draft['facility']}/draft"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: town.owner.put(path, json=with_bays(n), headers=match(1)), range(4, 8)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    assert ok(town.owner.get(path))["version"] == 2


def test_of_two_edits_begun_at_once_from_what_is_published_one_wins(town: Lane) -> None:
    path = f"/v1/facilities/{publish(town)}/draft"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: town.owner.put(path, json=with_bays(n), headers=match(2)), range(4, 8)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


def test_what_is_published_stays_until_its_edit_is(town: Lane) -> None:
    facility = publish(town)
    bays = "SELECT count(*) FROM bays b JOIN bay_groups g ON g.id = b.bay_group_id WHERE g.facility_id = :f"
    resident = town.resident()
    booking = ok(book(resident, facility, days=1), 201)
    path = f"/v1/facilities/{facility}"
    draft = ok(town.owner.put(f"{path}/draft", json=with_bays(5), headers=match(2)))
    assert ok(town.public.get(path))["properties"]["bays"] == 3
    ok(town.owner.post(f"{path}/draft/submission", headers=match(draft["version"])))
    ok(town.planner.post(f"{path}/draft/publication", headers=match(draft["version"] + 1), json={}))
    shown = town.public.get(path)
    assert (ok(shown)["properties"]["bays"], shown.headers["etag"]) == (5, '"4"')
    assert town.count(bays, f=facility) == 5
    assert ok(resident.get(f"/v1/bookings/{booking['id']}"))["place"] == booking["place"]
    problem(town.owner.get(f"{path}/draft"), 404)


def test_a_facility_keeps_its_id(town: Lane) -> None:
    path = f"/v1/facilities/{publish(town)}/draft"
    answer = town.owner.put(path, json=tower(id="another"), headers=match(2))
    assert problem(answer, 422)["errors"][0]["field"] == "id"


def test_a_draft_that_is_thrown_away_leaves_what_is_published(town: Lane) -> None:
    facility = publish(town)
    path = f"/v1/facilities/{facility}"
    ok(town.owner.put(f"{path}/draft", json=with_bays(9), headers=match(2)))
    problem(town.owner.delete(f"{path}/draft", headers=match(2)), 412)
    ok(town.owner.delete(f"{path}/draft", headers=match(3)), 204)
    problem(town.owner.get(f"{path}/draft"), 404)
    assert ok(town.public.get(path))["properties"]["bays"] == 3


def test_a_version_never_comes_twice(town: Lane) -> None:
    """Whoever has read a draft that was thrown away does not change the next one by mistake."""
    path = f"/v1/facilities/{publish(town)}/draft"
    ok(town.owner.put(path, json=with_bays(4), headers=match(2)))
    ok(town.owner.delete(path, headers=match(3)), 204)
    assert ok(town.owner.put(path, json=with_bays(5), headers=match(2)))["version"] == 4
    problem(town.owner.put(path, json=with_bays(6), headers=match(3)), 412)


def test_an_edit_begun_before_a_withdrawal_is_not_published_over_it(town: Lane) -> None:
    facility = publish(town)
    path = f"/v1/facilities/{facility}"
    ok(town.owner.put(f"{path}/draft", json=with_bays(5), headers=match(2)))
    fewer = {"kind": "bays", "bay_group": "std", "bays": 2, "reason": "works", "urgency": "emergency"}
    seen = ok(town.owner.post(f"{path}/withdrawals/preview", json=fewer))
    ok(town.owner.post(f"{path}/withdrawals", json={"withdrawal": fewer, "token": seen["token"]}), 201)
    submitted = ok(town.owner.post(f"{path}/draft/submission", headers=match(3)))["version"]
    refused = problem(town.planner.post(f"{path}/draft/publication", headers=match(submitted), json={}), 409)
    assert "write the draft again" in refused["detail"]
    again = ok(town.owner.put(f"{path}/draft", json=with_bays(5), headers=match(submitted)))
    ok(town.owner.post(f"{path}/draft/submission", headers=match(again["version"])))
    ok(town.planner.post(f"{path}/draft/publication", headers=match(again["version"] + 1), json={}))
    assert ok(town.public.get(path))["properties"]["bays"] == 5


def test_the_history_has_every_change_with_before_and_after(town: Lane) -> None:
    draft = ok(town.owner.post(DRAFTS, json=TOWER), 201)
    path = f"/v1/facilities/{draft['facility']}"
    ok(town.owner.put(f"{path}/draft", json=with_bays(4), headers=match(1)))
    ok(town.owner.post(f"{path}/draft/submission", headers=match(2)))
    ok(town.planner.post(f"{path}/draft/return", headers=match(3), json={"reason": "count again"}))
    ok(town.owner.post(f"{path}/draft/submission", headers=match(4)))
    ok(town.planner.post(f"{path}/draft/publication", headers=match(5), json={"reason": "seen"}))
    ok(town.owner.put(f"{path}/draft", json=with_bays(6), headers=match(5)))
    ok(town.owner.delete(f"{path}/draft", headers=match(6)), 204)
    history = ok(town.owner.get(f"{path}/history"))["history"]
    assert ok(town.planner.get(f"{path}/history"))["history"] == history
    assert [(entry["act"], entry["version"]) for entry in reversed(history)] == [
        ("drafted", 1),
        ("edited", 2),
        ("submitted", 3),
        ("returned", 4),
        ("submitted", 5),
        ("published", 5),
        ("drafted", 6),
        ("discarded", 6),
    ]
    edited = history[-2]
    assert [
        side["properties"]["bay_groups"][0]["windows"][0]["bays"] for side in (edited["before"], edited["after"])
    ] == [3, 4]
    assert [entry["reason"] for entry in history if entry["reason"]] == ["seen", "count again"]
    assert len({entry["changed_by"] for entry in history}) == 2
    problem(town.other.get(f"{path}/history"), 403)


def test_the_history_comes_page_by_page(town: Lane) -> None:
    path = f"/v1/facilities/{publish(town)}/history"
    first = ok(town.owner.get(path, params={"limit": 2}))
    second = ok(town.owner.get(path, params={"limit": 2, "before": first["next"]}))
    assert [e["act"] for page in (first, second) for e in page["history"]] == ["published", "submitted", "drafted"]
    assert second["next"] is None


def test_the_service_itself_cannot_rewrite_history(town: Lane) -> None:
    publish(town)
    for statement in ("DELETE FROM facility_history", "UPDATE facility_history SET reason = 'x'"):
        with town.engine.begin() as connection:
            connection.execute(text("SET LOCAL ROLE baytide_service"))
            with pytest.raises(ProgrammingError, match="permission denied"):
                connection.execute(text(statement))


def test_the_database_itself_keeps_owners_to_what_is_theirs(town: Lane) -> None:
    facility = publish(town)
    statements = {
        "UPDATE facilities SET name = 'x' WHERE id = :f": 0,
        "DELETE FROM bay_groups WHERE facility_id = :f": 0,
        "DELETE FROM closures": 0,
        "UPDATE bays SET geometry = NULL": 0,
    }
    for owners, expected in (("{}", 0), (f"{{{town.owner_id}}}", 1)):
        for statement in statements:
            with town.engine.connect() as connection:
                connection.execute(text("SELECT set_config('role', 'baytide_service', true)"))
                connection.execute(text("SELECT set_config('baytide.owner_ids', :owners, true)"), {"owners": owners})
                values = {"f": facility} if ":f" in statement else {}
                changed = connection.execute(text(statement), values).rowcount
            if statement.startswith("UPDATE facilities") or not expected:
                assert changed == expected, statement
    with town.engine.connect() as connection:
        connection.execute(text("SELECT set_config('role', 'baytide_service', true)"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text("UPDATE bays SET number = number + 100"))  # nobody's: ids follow numbers


def test_bays_drawn_one_by_one_have_their_place_and_open_all_of_them(town: Lane) -> None:
    window = {"days": "daily", "from": "18:00", "to": "32:00"}
    drawn = [square(0), square(3e-5), {"type": "Point", "coordinates": [121.5186, 31.2663]}]
    facility = publish(town, with_group(drawn=drawn, windows=[window]))
    group = ok(town.public.get(f"/v1/facilities/{facility}"))["properties"]["bay_groups"][0]
    assert (group["bays"], group["windows"][0]["bays"]) == (3, 3)
    assert town.count("SELECT count(*) FROM bays WHERE geometry IS NOT NULL") == 3
    # An edit begins from what is published, and a bay that goes takes its place along.
    history = ok(town.owner.get(f"/v1/facilities/{facility}/history"))["history"]
    feature = history[0]["after"]
    assert [shape["type"] for shape in feature["properties"]["bay_groups"][0]["drawn"]] == [
        "Polygon",
        "Polygon",
        "Point",
    ]
    path = f"/v1/facilities/{facility}/draft"
    ok(town.owner.put(path, json=with_group(drawn=drawn[:2], windows=[window]), headers=match(2)))
    ok(town.owner.post(f"{path}/submission", headers=match(3)))
    ok(town.planner.post(f"{path}/publication", headers=match(4), json={}))
    assert town.count("SELECT count(*) FROM bays WHERE geometry IS NOT NULL") == 2


@pytest.mark.parametrize(
    ("group", "field", "said"),
    [
        ({"drawn": [square(0), square(1e-5)]}, "bay_groups[0].drawn[1]", "lies on the bay drawn in [0]"),
        ({"drawn": [square(0)]}, "bay_groups[0].windows[0].bays", "is 3, but only 1 bays have a place"),
        ({"drawn": [{"type": "LineString", "coordinates": [[0, 0], [1, 1]]}]}, "bay_groups[0].drawn[0]", "expected"),
        ({"drawn": [square(0)], "kerb": {}}, "bay_groups[0].kerb", "not both"),
        ({"kerb": {}}, "bay_groups[0].kerb.line", "'Point', expected LineString"),
        ({"kerb": {"side": "middle"}}, "bay_groups[0].kerb.side", "expected one of"),
        ({"kerb": 5}, "bay_groups[0].kerb", "expected an object"),
        ({"kerb": {"bay_length_m": 0.1}}, "bay_groups[0].kerb.bay_length_m", "between 1 and 30"),
    ],
)
def test_a_drawing_that_makes_no_sense_is_named(town: Lane, group: dict[str, object], field: str, said: str) -> None:
    answer = town.owner.post(DRAFTS, json=with_group(**group))
    found = {error["field"]: error["what"] for error in problem(answer, 422)["errors"]}
    assert said in found[field]


def test_bays_are_laid_along_a_kerb(town: Lane) -> None:
    """Sixty metres of kerb hold ten bays of six; a junction in the middle takes ten on both sides: three each."""
    line = {"type": "LineString", "coordinates": [[121.5, 31.2662], [121.5 + 60.05 / 95_260, 31.2662]]}
    window = {"days": "daily", "from": "20:00", "to": "31:00"}
    plain = with_group(kerb={"line": line}, windows=[window])
    assert len(ok(town.owner.post(DRAFTS, json=plain), 201)["feature"]["properties"]["bay_groups"][0]["drawn"]) == 10
    middle = [121.5 + 30.02 / 95_260, 31.2662]
    cut = with_group(kerb={"line": line, "junctions": [middle], "side": "left"}, windows=[window])
    cut["properties"]["id"] = "cut"
    draft = ok(town.owner.post(DRAFTS, json=cut), 201)["feature"]["properties"]["bay_groups"][0]
    assert (len(draft["drawn"]), draft["windows"][0]["bays"]) == (6, 6)


def test_a_planner_publishes_what_belongs_to_nobody(town: Lane) -> None:
    facility = publish(town, by=town.planner)
    assert town.count("SELECT count(*) FROM facilities WHERE id = :f AND owner_id IS NULL", f=facility) == 1
    problem(town.owner.put(f"/v1/facilities/{facility}/draft", json=TOWER, headers=match(2)), 403)


def test_an_exported_folder_has_what_was_published(town: Lane, tmp_path: Path) -> None:
    publish(town)
    assert [facility.id for facility in export_folder(town.engine, "lane-9", tmp_path / "out").facilities] == [
        "park",
        "road",
        "tower",
    ]
    assert '"night_price_cents": 800' in (tmp_path / "out/facilities.geojson").read_text()
