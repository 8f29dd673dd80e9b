"""How many bays an owner can share, from past records: `baytide capacity`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import complain
from api.cli.tables import Cell, percent, table_of

if TYPE_CHECKING:
    from api.capacity.advising import Advice, Line

commands = typer.Typer()


@commands.command()
def capacity(
    records: Annotated[Path, typer.Argument(help="CSV of entries and exits, UTF-8 or GBK.", show_default=False)],
    *,
    bays: Annotated[int, typer.Option(help="How many bays the place has.", show_default=False)],
    confidence: Annotated[float, typer.Option(help="Share of coming days on which the bays must be free.")] = 0.95,
    window: Annotated[str, typer.Option(help="Hours to share; 32:00 is 08:00 next morning.")] = "18:00-32:00",
    timezone: Annotated[
        str | None, typer.Option(help="IANA zone of moments that carry an offset.", show_default=False)
    ] = None,
    country: Annotated[
        str, typer.Option(help="ISO 3166 code whose holidays count, as CN; weekends only without.")
    ] = "weekends",
    half_life: Annotated[float, typer.Option(help="Weeks after which a day counts half.")] = 26.0,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write the whole answer there.", show_default=False)
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it: .png, .svg or .pdf.", show_default=False)] = None,
) -> None:
    """Say how many bays are safe to share, by weekday and hour and for whole nights, and test that on the past."""
    import json

    from api.capacity.advising import Question, advise
    from api.capacity.records import read_records
    from api.capacity.telling import advice_json
    from api.capacity.windows import parse_window

    question = Question(
        bays=bays, confidence=confidence, window=parse_window(window), country=country, half_life_weeks=half_life
    )
    advice = advise(read_records(records.read_bytes(), timezone=timezone), question)
    _print(advice)
    if json_out:
        json_out.write_text(json.dumps(advice_json(advice), ensure_ascii=False, indent=2), encoding="utf-8")
    if plot:
        from api.capacity.drawing import draw_advice

        draw_advice(advice, plot)
    for warning in advice.warnings:
        complain(f"warning: {warning}")


def _print(advice: Advice) -> None:
    from api.capacity.telling import WEEKDAYS, advice_json

    told = advice_json(advice)
    record, asked = told["record"], advice.question
    typer.echo(
        f"{record['rows']:,} rows, {record['visits']:,} visits, {record['first']} to {record['last']}; "
        f"{record['whole_days']} whole days; left out: {_left_out(record['days_left_out'])}"
    )
    for fault in record["faults"]:
        typer.echo(f"  {fault['rows']:,} × {fault['fault']}: {fault['treatment']}")
    typer.echo(f"\nBays of {asked.bays} free all through the hour on {percent(asked.confidence)} of coming days")
    hours = [f"{hour:02d}" for hour in range(24)]
    typer.echo(
        table_of(
            ["", *hours, "from"],
            [_row(WEEKDAYS[line.weekday], line, width=24, confidence=asked.confidence) for line in advice.hours],
        )
    )
    span = f"{told['window']['from']} to {told['window']['to']}"
    typer.echo(f"\nBays free all through the night, {span}")
    rows = [
        [f"{n['weekday']} {n['kind']}", n["safe"], _basis(line, asked.confidence)]
        for n, line in zip(told["nights"], advice.nights, strict=True)
    ]
    typer.echo(table_of(["night", "bays", "from"], [*rows, ["every night", advice.daily, ""]]))
    typer.echo("\nTested on the past: advice from the weeks before, held against the week after")
    typer.echo(_test_table(advice))


def _left_out(days: dict[str, int]) -> str:
    words = {"starting": "before steady use", "edges": "at the edges", "not_recorded": "not recorded"}
    return ", ".join(f"{days[name]} {text}" for name, text in words.items())


def _row(name: str, line: Line, *, width: int, confidence: float) -> list[Cell]:
    cells: list[Cell] = [*line.safe] if line.safe else [None] * width
    return [name, *cells, _basis(line, confidence)]


def _basis(line: Line, confidence: float) -> str:
    if line.basis == "not_enough_days":
        return f"{line.days} days weigh {line.weighed:.2f}, needed {confidence / (1 - confidence):.2f}: not enough"
    return f"{line.days} days of {'its own' if line.basis == 'weekday' else 'the kind'}"


def _test_table(advice: Advice) -> str:
    rows: list[list[Cell]] = []
    for what, scores in (("hours", advice.hours_test), ("nights", advice.nights_test)):
        for rule, score in zip(("order statistics", "mean − 2σ"), scores or (), strict=False):
            rows.append(
                [
                    f"{what}, {rule}",
                    score.days,
                    percent(score.coverage),
                    f"{percent(score.low)} to {percent(score.high)}",
                    percent(score.worst),
                    f"{score.offered:.1f}",
                    f"{score.unused:.1f}",
                ]
            )
    if not rows:
        return "not enough days to test on"
    return table_of(["", "days", "held", "95 % interval", "worst hour", "bays offered", "left unused"], rows)
