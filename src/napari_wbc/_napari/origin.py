"""What a layer of ours was made from, kept in its metadata under `KEY`; no Qt."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from napari.layers import Layer

from ..cells import Analysis, Segmentation
from ..config import Settings
from ..pipeline import Classifier, Models
from ..results.record import InputFile, Record
from ..results.runfile import Model

KEY = "napari_wbc"
"""Our entry in the metadata of a layer."""


@dataclass(frozen=True)
class MadeBy:
    """The models and settings of an analysis, and the device, as `run.json` names them."""

    segmenter: Model
    classifier: Model
    settings: Settings
    device: str

    @classmethod
    def of(cls, models: Models, settings: Settings) -> MadeBy:
        """Of the models that were used."""
        segmenter, classifier = (Model(name=m.name, identity=m.identity) for m in (models.segmenter, models.classifier))
        devices = dict.fromkeys((models.segmenter.device, models.classifier.device))
        return cls(segmenter, classifier, settings, ", ".join(devices))

    def without_types(self) -> MadeBy:
        """The same, where only the segmenter was used."""
        return dataclasses.replace(self, classifier=NOBODY)

    def named_by(self, classifier: Classifier) -> MadeBy:
        """The same outlines with types of a classifier; on the device of both, where they differ."""
        model = Model(name=classifier.name, identity=classifier.identity)
        devices = dict.fromkeys((self.device, classifier.device) if self.segmenter != NOBODY else (classifier.device,))
        return dataclasses.replace(self, classifier=model, device=", ".join(devices))


NOBODY = Model(name="none", identity="none")
"""The model of outlines or types that no model has made."""


@dataclass(frozen=True, eq=False)
class Origin:
    """What one of our layers was made from.

    Parameters
    ----------
    source_id
        `unique_id` of the layer that it was made from: the image of labels, the labels of boxes.
    segmentation
        The outlines that it showed at first.
    features
        Its features as we wrote them.
    keep
        It is a person's, or another program's: never replaced.
    layer_id
        The id of the layer itself, if it is not its `unique_id`: layers of a reader are linked before they have one.
    made_by
        The models and settings that made the cells.
    record
        The record that they were read from.
    measured
        The cells that we wrote into its features last, whatever a person has typed there since; None where none are measured.
    """

    source_id: str
    segmentation: Segmentation
    features: pd.DataFrame
    keep: bool = False
    layer_id: str | None = None
    made_by: MadeBy | None = None
    record: Record | None = None
    measured: Analysis | None = None


@dataclass(frozen=True)
class Place:
    """Where the review of an image is saved. It is kept in the metadata of the image, beside its pixel size.

    Parameters
    ----------
    folder, image
        The results folder, and the name of the image in it.
    source
        The image file that was read.
    known
        SHA-256 of the record as it was read or written last, to see whether somebody else has changed it; None: not known.
    """

    folder: Path
    image: str
    source: InputFile
    known: str | None = None


def place_of(image: Layer) -> Place | None:
    """Where the review of an image is saved, or None where it has not been saved yet."""
    found = image.metadata.get(KEY)
    place = found.get("place") if isinstance(found, Mapping) else None
    return place if isinstance(place, Place) else None


def set_place(image: Layer, place: Place | None) -> None:
    """Say where the review of an image is saved."""
    found = image.metadata.get(KEY)
    image.metadata[KEY] = {**(found if isinstance(found, Mapping) else {}), "place": place}


def layer_id(layer: Layer) -> str:
    """The id by which layers made from this one know it."""
    found = layer.metadata.get(KEY)
    given = found.layer_id if isinstance(found, Origin) else found.get("id") if isinstance(found, Mapping) else None
    return str(given or layer.unique_id)


def origin(layer: Layer) -> Origin | None:
    """The `Origin` of a layer of ours, or None."""
    found = layer.metadata.get(KEY)
    return found if isinstance(found, Origin) else None


def made_by(layer: Layer) -> MadeBy:
    """The models and settings that made the cells of a layer."""
    made = origin(layer)
    if made is not None and made.made_by is not None:
        return made.made_by
    return MadeBy(NOBODY, NOBODY, Settings(), "none")


def vouched_in(record: Record) -> tuple[str, str] | None:
    """Who vouches for every cell of an image, and when (ISO 8601, UTC), or None."""
    row = record.row
    return None if row.reviewed_by is None else (row.reviewed_by, row.reviewed_at or "")


def note(layer: Layer, **changes: Any) -> None:
    """Change what one of our layers says of its origin."""
    made = origin(layer)
    if made is not None:
        layer.metadata[KEY] = dataclasses.replace(made, **changes)
