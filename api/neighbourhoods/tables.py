"""CSV files as frames of text: every cell checked at once, every fault with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import polars as pl

from api.neighbourhoods.files import Findings, read_text

MOST_FAULTS_A_COLUMN = 1000
"""So that a file of a million wrong rows still answers; the rest is given as a count."""


class Table:
    """
    One CSV file: cells as stripped text, empty ones null, with the columns of the contract in place.

    Validation notes faults in `findings`; parsed columns come back aligned with the rows, null where a cell is empty or wrong.
    """

    def __init__(self, name: str, text: str, frame: pl.DataFrame, findings: Findings) -> None:
        self.name = name
        self.frame = frame
        self._text = text
        self._findings = findings

    @cached_property
    def lines(self) -> list[int]:
        """Line in the file at which each row begins; the header is line 1."""
        if self._text.count('"') == 0:
            return list(range(2, 2 + len(self.frame)))
        reader = csv.reader(io.StringIO(self._text, newline=""))
        next(reader)
        begins, last = [], reader.line_num
        for _ in reader:
            begins.append(last + 1)
            last = reader.line_num
        return begins

    def fault(self, row: int, column: str, message: str) -> None:
        """Note a fault in a cell."""
        self._findings.fault(self.name, self.lines[row], column, message)

    def faults_where(self, bad: pl.Series, column: str, message: Callable[[int], str]) -> None:
        """Note a fault in each row whose flag is set; null flags are not."""
        rows = bad.fill_null(value=False).arg_true().to_list()
        for row in rows[:MOST_FAULTS_A_COLUMN]:
            self.fault(row, column, message(row))
        if len(rows) > MOST_FAULTS_A_COLUMN:
            more = len(rows) - MOST_FAULTS_A_COLUMN
            self.fault(rows[MOST_FAULTS_A_COLUMN], column, f"{message(rows[MOST_FAULTS_A_COLUMN])} (and {more - 1} more)")

    def required(self, column: str) -> pl.Series:
        """Return a column in which no cell may be empty."""
        cells = self.frame[column]
        self.faults_where(cells.is_null(), column, lambda _: "is empty")
        return cells

    def unique_ids(self, column: str = "id") -> pl.Series:
        """Return a column of ids: none empty, none twice."""
        cells = self.required(column)
        repeated = cells.is_not_null() & ~cells.is_first_distinct()
        if repeated.any():
            first: dict[str, int] = {}
            for row, value in enumerate(cells.to_list()):
                first.setdefault(value, row)
            self.faults_where(repeated, column, lambda row: f"{cells[row]!r} is already in line {self.lines[first[cells[row]]]}")
        return cells

    def parsed(self, column: str, parse: Callable[[str], object], dtype: pl.DataType, *, default: object = None) -> pl.Series:
        """Cells through a parser called once per distinct text; its ValueError becomes the fault; empty cells the default."""
        cells = self.frame[column]
        values: dict[str, object] = {}
        errors: dict[str, str] = {}
        for text in cells.drop_nulls().unique().to_list():
            try:
                values[text] = parse(text)
            except ValueError as error:
                errors[text] = str(error)
        if errors:
            self.faults_where(cells.is_in(list(errors)), column, lambda row: errors[cells[row]])
        if not values:
            return pl.Series(column, [default] * len(cells), dtype=dtype)
        result = cells.replace_strict(list(values), list(values.values()), default=None, return_dtype=dtype)
        return result if default is None else result.set(cells.is_null(), default)

    def numbers(self, column: str, *, low: float, high: float, what: str) -> pl.Series:
        """Cells as finite numbers within [low, high]; empty cells stay null."""
        cells = self.frame[column]
        values = cells.cast(pl.Float64, strict=False)
        good = values.is_finite() & (values >= low) & (values <= high)
        bad = cells.is_not_null() & ~good.fill_null(value=False)
        self.faults_where(bad, column, lambda row: f"is {cells[row]!r}, expected {what}")
        return values.set(bad, None) if bad.any() else values

    def whole_numbers(self, column: str, *, low: int, high: int, what: str, dtype: pl.DataType) -> pl.Series:
        """Cells as whole numbers within [low, high] (`80.0` is one); empty cells stay null."""
        values = self.numbers(column, low=low, high=high, what=what)
        broken = values != values.floor()
        self.faults_where(broken, column, lambda row: f"is {self.frame[column][row]!r}, expected {what}")
        return values.set(broken.fill_null(value=False), None).cast(dtype)

    def known(self, column: str, ids: pl.Series, of: str) -> pl.Series:
        """Cells that name something that is there; empty cells stay null."""
        cells = self.frame[column]
        unknown = cells.is_not_null() & ~cells.is_in(ids.drop_nulls().implode())
        self.faults_where(unknown, column, lambda row: f"{cells[row]!r} is not in {of}")
        return cells


def read_table(path: Path, findings: Findings, *, required: Sequence[str], optional: Sequence[str] = ()) -> Table | None:
    """Read a CSV file with a header; None after a fault that leaves no rows to look at."""
    text = read_text(path, findings)
    if text is None:
        return None
    header = [cell.strip() for cell in next(csv.reader(io.StringIO(text, newline="")), [])]
    if not _header_is_whole(path.name, header, findings, required=required, optional=optional):
        return None
    if len(text.splitlines()) <= 1:
        return Table(path.name, text, _shaped(pl.DataFrame(schema=dict.fromkeys(header, pl.String())), required, optional), findings)
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False, has_header=True)
    except pl.exceptions.PolarsError as error:
        _note_broken_rows(path.name, text, len(header), findings, str(error))
        return None
    frame = frame.rename(dict(zip(frame.columns, header, strict=True)))
    table = Table(path.name, text, _shaped(frame, required, optional), findings)
    blank = table.frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if blank.any():  # lines left blank are no rows, but they count as lines
        kept = (~blank).arg_true()
        lines = [table.lines[row] for row in kept.to_list()]
        table = Table(path.name, text, table.frame.filter(~blank), findings)
        table.__dict__["lines"] = lines
    return table


def _shaped(frame: pl.DataFrame, required: Sequence[str], optional: Sequence[str]) -> pl.DataFrame:
    """Return the contract's columns in its order, cells stripped, empty ones null."""
    missing = [column for column in optional if column not in frame.columns]
    frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(column) for column in missing)
    cells = (pl.col(column).str.strip_chars() for column in (*required, *optional))
    return frame.select(cells).select(pl.when(pl.all() != "").then(pl.all()))


def _header_is_whole(
    name: str, header: list[str], findings: Findings, *, required: Sequence[str], optional: Sequence[str]
) -> bool:
    for column in required:
        if column not in header:
            findings.fault(name, 1, column, f"column is missing; the header is {','.join(header)!r}")
    for column in sorted({column for column in header if header.count(column) > 1}):
        findings.fault(name, 1, column or "header", "column stands twice in the header")
    for column in header:
        if column not in (*required, *optional):
            findings.warnings.append(f"{name}: column {column!r} is not known and is ignored")
    return len(set(header)) == len(header) and all(column in header for column in required)


def _note_broken_rows(name: str, text: str, width: int, findings: Findings, reason: str) -> None:
    """Find the rows a strict CSV reader stumbles over."""
    noted = len(findings.faults)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    last = 0
    try:
        for cells in reader:
            if len(cells) > width:
                findings.fault(name, last + 1, "row", f"has {len(cells)} cells, expected {width}")
            last = reader.line_num
    except csv.Error as error:
        findings.fault(name, last + 1, "row", f"is not CSV: {error}")
    if len(findings.faults) == noted:
        findings.fault(name, 1, "file", f"is not CSV: {reason.splitlines()[0]}")
