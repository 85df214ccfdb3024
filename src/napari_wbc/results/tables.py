"""The CSV of a results folder: UTF-8, LF, `.` decimal, booleans `true` and `false`, missing = empty, no formulas."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence

Value = str | int | float | bool | None

_SPECIAL = re.compile('[,"\r\n]')
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def header(columns: Sequence[str]) -> bytes:
    """The first line of a table."""
    return _line(columns)


def row(columns: Sequence[str], values: dict[str, Value]) -> bytes:
    """One line of a table; `values` may hold more than the columns."""
    return _line([as_text(column, values[column]) for column in columns])


def _line(texts: Sequence[str]) -> bytes:
    """Texts, quoted where needed, as one line."""
    return (",".join(map(_quote, texts)) + "\n").encode()


def read(data: bytes) -> Iterator[dict[str, str | None]]:
    """The rows of a table as texts by column, without the protection of `as_text`; None where missing.

    Spreadsheets may have saved it again: with a byte-order mark, and semicolons or tabs between the columns.
    """
    text = data.decode("utf-8-sig")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    columns = next(reader, [])
    for texts in filter(None, reader):  # a blank line has none
        yield {column: _unescape(text) for column, text in zip(columns, texts, strict=True)}


def as_text(column: str, value: Value) -> str:
    """A value as it stands in the file.

    Probabilities, margins and scores have 4 decimals, percentages 2; other numbers are the shortest that reads back the same.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        decimals = _decimals(column)
        return repr(value) if decimals is None else f"{value:.{decimals}f}"
    if isinstance(value, int):
        return str(value)
    return f"'{value}" if value.startswith(_FORMULA) else value


def _decimals(column: str) -> int | None:
    """Decimals of the numbers of a column; None: as many as it takes."""
    if column.startswith("p_") or column.endswith("score") or column == "margin":
        return 4
    return 2 if column in ("percent", "ci_low", "ci_high") else None


def _unescape(text: str) -> str | None:
    """What `as_text` was given, as text."""
    return (text[1:] if text.startswith("'") else text) or None


def _quote(text: str) -> str:
    """The text in quotes, where a reader needs them."""
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if _SPECIAL.search(text) else text
