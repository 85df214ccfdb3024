"""Second readings as columns of the features of a layer of cells, one for each reader, and in the results folder; no Qt."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..review.readings import Reading
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
