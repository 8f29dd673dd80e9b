"""CSV files as frames of text: every cell checked at once, every fault with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from api.neighbourhoods.files import Findings, read_text

MOST_FAULTS_A_COLUMN = 1000
"""So that a file of a million wrong rows still answers; the rest is given as a count."""


class Table:
    """
    One CSV file: cells as stripped text, empty ones null, with the columns of the contract in place.

    `lines` holds the line at which each row begins; the header is line 1. Validation notes faults in `findings`; parsed
    columns come back aligned with the rows, null where a cell is empty or wrong.
    """

    def __init__(self, name: str, frame: pl.DataFrame, lines: Sequence[int], findings: Findings) -> None:
        self.name = name
        self.frame = frame
        self.lines = lines
        self._findings = findings

    def fault(self, row: int, column: str, message: str) -> None:
        """Note a fault in a cell."""
        self._findings.fault(self.name, self.lines[row], column, message)

    def faults_where(self, bad: pl.Series, column: str, message: Callable[[int], str]) -> None:
        """Note a fault in each row whose flag is set; null flags are not."""
        rows = bad.fill_null(value=False).arg_true().to_list()
        for row in rows[:MOST_FAULTS_A_COLUMN]:
            self.fault(row, column, message(row))
        if len(rows) > MOST_FAULTS_A_COLUMN:
            more = len(rows) - MOST_FAULTS_A_COLUMN - 1
            self.fault(
                rows[MOST_FAULTS_A_COLUMN], column, f"{message(rows[MOST_FAULTS_A_COLUMN])} (and {more} more like it)"
            )

    def required(self, column: str) -> pl.Series:
        """Return a column in which no cell may be empty."""
        cells = self.frame[column]
        self.faults_where(cells.is_null(), column, lambda _: "is empty")
        return cells

    def unique_ids(self, column: str = "id") -> pl.Series:
        """Return a column of ids: none empty, none twice."""
        cells = self.required(column)
        self.faults_where(
            cells.str.contains(r"\p{Cc}"), column, lambda row: f"is {cells[row]!r}, which holds a control character"
        )
        repeated = cells.is_not_null() & ~cells.is_first_distinct()
        if repeated.any():
            first: dict[str, int] = {}
            for row, value in enumerate(cells.to_list()):
                first.setdefault(value, row)
            self.faults_where(
                repeated, column, lambda row: f"{cells[row]!r} is already in line {self.lines[first[cells[row]]]}"
            )
        return cells

    def parsed(
        self, column: str, parse: Callable[[str], object], dtype: pl.DataType, *, default: object = None
    ) -> pl.Series:
        """Cells through a parser, called once per distinct text; a ValueError is a fault; empty ones the default."""
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

    def known(self, column: str, ids: pl.Series | None, of: str) -> pl.Series:
        """Cells that name something that is there; empty cells stay null; without `ids` nothing is known about them."""
        cells = self.frame[column]
        if ids is not None:
            unknown = cells.is_not_null() & ~cells.is_in(ids.drop_nulls().implode())
            self.faults_where(unknown, column, lambda row: f"{cells[row]!r} is not in {of}")
        return cells


def read_table(
    path: Path, findings: Findings, *, required: Sequence[str], optional: Sequence[str] = ()
) -> Table | None:
    """Read a CSV file with a header; None after a fault that leaves no rows to look at."""
    text = read_text(path, findings)
    if text is None:
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    header = [cell.strip() for cell in next(csv.reader(io.StringIO(text, newline="")), [])]
    if not _header_is_whole(path.name, header, findings, required=required, optional=optional):
        return None
    if '"' in text:
        read = _quoted_rows(path.name, text, header, findings)
    else:
        read = _plain_rows(path.name, text, header, findings)
    if read is None:
        return None
    frame, lines = read
    frame = _shaped(frame, required, optional)
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if blank.any():  # lines left blank are no rows, but they count as lines
        lines = np.asarray(lines)[(~blank).to_numpy()].tolist()
        frame = frame.filter(~blank)
    return Table(path.name, frame, lines, findings)


def _plain_rows(
    name: str, text: str, header: Sequence[str], findings: Findings
) -> tuple[pl.DataFrame, Sequence[int]] | None:
    """Rows of a file without a single quote: every line is a row, and only commas matter."""
    if not text.partition("\n")[2].strip():
        return pl.DataFrame(schema=dict.fromkeys(header, pl.String())), ()
    content = text.encode()
    ragged = _note_ragged_lines(name, text, content, len(header), findings)
    try:
        frame = pl.read_csv(content, infer_schema=False, truncate_ragged_lines=ragged, quote_char=None)
    except pl.exceptions.PolarsError as error:
        findings.fault(name, 1, "file", f"is not CSV: {str(error).splitlines()[0]}")
        return None
    frame.columns = list(header)
    return frame, range(2, 2 + len(frame))


def _note_ragged_lines(name: str, text: str, content: bytes, width: int, findings: Findings) -> bool:
    """Note lines with too many or too few cells; whether there are any."""
    signs = np.frombuffer(content, dtype=np.uint8)
    ends = np.append(np.flatnonzero(signs == ord("\n")), len(signs))
    commas = np.diff(np.searchsorted(np.flatnonzero(signs == ord(",")), ends), prepend=0)
    suspects = np.flatnonzero(commas != width - 1).tolist()
    if not suspects:
        return False
    lines = text.split("\n")
    return _note_widths(name, ((at + 1, int(commas[at]) + 1) for at in suspects if lines[at].strip()), width, findings)


def _note_widths(name: str, found: Iterable[tuple[int, int]], width: int, findings: Findings) -> bool:
    """Note (line, number of cells) of rows that are too long or too short, the first of many."""
    rows = list(found)
    for line, cells in rows[:MOST_FAULTS_A_COLUMN]:
        findings.fault(name, line, "row", f"has {cells} cells, expected {width}")
    if len(rows) > MOST_FAULTS_A_COLUMN:
        more = len(rows) - MOST_FAULTS_A_COLUMN
        findings.fault(
            name, rows[MOST_FAULTS_A_COLUMN][0], "row", f"and {more} more rows have too many or too few cells"
        )
    return bool(rows)


def _quoted_rows(
    name: str, text: str, header: Sequence[str], findings: Findings
) -> tuple[pl.DataFrame, Sequence[int]] | None:
    """Rows of a file with quotes, in which a cell may run over several lines."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    last = 0
    try:
        for cells in reader:
            rows.append(cells)
            lines.append(last + 1)
            last = reader.line_num
    except csv.Error as error:
        findings.fault(name, last + 1, "row", f"is not CSV: {error}")
        return None
    rows, lines = rows[1:], lines[1:]
    width = len(header)
    odd = [at for at, cells in enumerate(rows) if len(cells) != width]
    _note_widths(
        name, ((lines[at], len(rows[at])) for at in odd if any(cell.strip() for cell in rows[at])), width, findings
    )
    for at in odd:
        rows[at] = (rows[at] + [""] * width)[:width]
    columns = zip(*rows, strict=True) if rows else [()] * width
    return pl.DataFrame(
        [pl.Series(name, cells, dtype=pl.String()) for name, cells in zip(header, columns, strict=True)]
    ), lines


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
