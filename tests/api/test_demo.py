"""The demo goes the whole way: sample, plan, check, database."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select

from api.db import tables
from api.demo import run_demo
from api.settings import Settings


def test_the_demo_stores_a_checked_plan_of_real_streets(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    address = engine.url.render_as_string(hide_password=False)
    run_demo(Settings(database_url=address), serve=False)
    said = capsys.readouterr().out
    assert "rules, value, counts and bound all hold" in said
    with engine.connect() as connection:
        plan = connection.execute(select(tables.plans)).one()
        streets = connection.execute(select(tables.streets.c.name)).all()
    assert plan.certificate["bound_m"] == plan.bound_m
    assert 0 < plan.served <= plan.demands
    assert ("赤峰路",) in [tuple(row) for row in streets]
