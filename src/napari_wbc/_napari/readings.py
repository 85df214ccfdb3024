"""Second readings as columns of the features of a layer of cells, one for each reader, and in the results folder; no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..results import tables
from ..results.runfile import now
from ..results.storage import write_bytes
from ..review import said_by_model
from ..review.readings import Reading, write_readings
from .origin import Place
from .reviews import name_of
from .session import Session
from .shown import types_in

PREFIX = "read by "


def readers(features: pd.DataFrame) -> list[str]:
    """Who has read cells of a layer, from its features."""
    return [str(name).removeprefix(PREFIX) for name in features if str(name).startswith(PREFIX)]


def read_by(session: Session, reader: str) -> dict[int, str]:
    """What a reader has called the cells of a review, by id."""
    features, column = session.labels.features, PREFIX + reader
    if column not in features:
        return {}
    said = types_in(features[[column]].rename(columns={column: "cell_type"}), [cell.cell_id for cell in session.analysis.cells])
    return {i: name for i, name in said.items() if name is not None}


def with_readings(features: pd.DataFrame, readings: Sequence[Reading]) -> pd.DataFrame:
    """Features with what readers said, as far as the cells are still there."""
    features = features.copy()
    for reading in readings:
        column = PREFIX + reading.reader
        if column not in features:
            features[column] = pd.Series(None, index=features.index, dtype=object)
        if reading.cell_id in features.index:
            features.at[reading.cell_id, column] = reading.cell_type
    return features


def read_of(session: Session) -> dict[str, dict[int, str]]:
    """What all readers have called the cells of a review, by reader and id."""
    return {reader: read_by(session, reader) for reader in readers(session.labels.features)}


def keep(session: Session, place: Place) -> None:
    """Keep all readings of a review in a results folder; errors as in `write_readings`."""
    write_readings(place.folder, place.image, read_of(session), now())


COLUMNS = ("image", "cell_id", "reader", "cell_type", "first_reading", "model")
"""Of the file of a reading; `cell_type` is what the second reader said."""


def said_before(session: Session) -> dict[str, dict[int, str]]:
    """What the model and the first reader have called the cells, by id."""
    cells = session.analysis.cells
    model = {cell.cell_id: name for cell in cells if (name := said_by_model(cell)) is not None}
    first = {cell.cell_id: cell.cell_type for cell in cells if cell.type_source == "human" and cell.cell_type}
    return {"the model": model, "the first reader": first}


def export_reading(path: Path, session: Session, reader: str) -> None:
    """Write a reading as CSV, as the tables of a results folder are written; errors as in `storage.write_bytes`."""
    model, first = said_before(session).values()
    read = read_by(session, reader)
    lines = [tables.header(COLUMNS)]
    for cell in session.analysis.cells:
        i = cell.cell_id
        values = (name_of(session), i, reader, read.get(i), first.get(i), model.get(i))
        lines.append(tables.row(COLUMNS, dict(zip(COLUMNS, values, strict=True))))
    write_bytes(path.parent, path, b"".join(lines))
