"""Find or begin the review of a layer of cells, and the reviews that are open; no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from napari.components import ViewerModel
from napari.layers import Image, Labels

from ..cells import CellTable
from .inputs import of_slide
from .layers import read_measured
from .origin import origin, place_of
from .replacing import image_of
from .saved import Saved
from .session import SESSION, Session

Source: TypeAlias = Session | Saved
"""A review, or an image of a results folder that is not open."""


@dataclass(frozen=True)
class Item:
    """A cell of a review, or of a saved image."""

    source: Source
    cell_id: int


def session_of(viewer: ViewerModel, labels: Labels) -> Session:
    """The review of a Labels layer, begun if there is none.

    Raises
    ------
    UsageError
        If its cells are not measured, or its image is not there, or that is a slide.
    """
    if labels.multiscale:
        raise of_slide(labels)
    found = labels.metadata.get(SESSION)
    before = found if isinstance(found, Session) and found.labels is labels else None
    if before is not None:
        if before.open:
            return before
        image_of(viewer.layers, labels)
        before.end()
    return Session(viewer, labels, before)


def open_reviews(viewer: ViewerModel) -> list[Session]:
    """The reviews whose layers are all open."""
    found = [layer.metadata.get(SESSION) for layer in viewer.layers if isinstance(layer, Labels)]
    return [session for session in found if isinstance(session, Session) and session.open]


def results_folder(viewer: ViewerModel) -> Path | None:
    """The results folder of the review whose layer is active, else of the one that was opened last; None if not saved.

    Where nothing is under review, that of the image that was opened last from one.
    """
    active = viewer.layers.selection.active
    sessions = sorted(open_reviews(viewer), key=lambda session: active in session.layers)
    places = [place for layer in viewer.layers if isinstance(layer, Image) and (place := place_of(layer))]
    place = place_of(sessions[-1].image) if sessions else places[-1] if places else None
    return None if place is None else place.folder


def with_saved(viewer: ViewerModel, folder: Path, images: Mapping[str, Saved]) -> list[Source]:
    """The images of a results folder: their reviews where they are open, else as they were saved."""
    places = [(session, place_of(session.image)) for session in open_reviews(viewer)]
    here = {place.image: session for session, place in places if place is not None and place.folder == folder.resolve()}
    return [here.get(name, saved) for name, saved in images.items()]


def reviewed(labels: Labels) -> bool:
    """Whether a person has named or outlined cells of a layer, or reviews them now."""
    if SESSION in labels.metadata:
        return True
    made = origin(labels)
    if made is None or made.measured is None:
        return False
    return any(cell.source == "human" or cell.reviewed_by for cell in read_measured(labels).cells)


def cells_of(source: Source) -> CellTable:
    """The cells of a source, as they are now."""
    return source.cells if isinstance(source, Saved) else source.analysis.cells


def name_of(source: Source) -> str:
    """The name of the image of a source: in its results folder, or, where it has none, of its layer."""
    if isinstance(source, Saved):
        return source.record.image
    place = place_of(source.image)
    return source.image.name if place is None else place.image


def address_of(source: Source) -> tuple[Path | None, str]:
    """The results folder of a source, None where it has none, and the name of its image: no other image has both."""
    place = None if isinstance(source, Saved) else place_of(source.image)
    folder = source.folder if isinstance(source, Saved) else None if place is None else place.folder
    return folder, name_of(source)
