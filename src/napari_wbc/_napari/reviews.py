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
from .origin import layer_id, note, origin, place_of
from .replacing import image_of, made_from
from .saved import Saved
from .session import SESSION, Session

Source: TypeAlias = Session | Saved
"""A review, or an image of a results folder that is not open."""

Address: TypeAlias = tuple[Path | None, str]
"""The results folder of an image, and its name."""


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
    before = _begun(labels)
    if before is not None:
        if before.open:
            return before
        image_of(viewer.layers, labels)
        before.end()
    _tell_copies(viewer, labels)
    return Session(viewer, labels, before)


def open_reviews(viewer: ViewerModel) -> list[Session]:
    """The reviews whose layers are all open."""
    found = [_begun(layer) for layer in viewer.layers if isinstance(layer, Labels)]
    return [session for session in found if session is not None and session.open]


def _begun(labels: Labels) -> Session | None:
    """The review of a layer, or None; napari's Duplicate copies the metadata, but that is the review of the other layer."""
    found = labels.metadata.get(SESSION)
    return found if isinstance(found, Session) and found.labels is labels else None


def _tell_copies(viewer: ViewerModel, labels: Labels) -> None:
    """Give copies of a layer, as napari's Duplicate makes them, ids of their own: its boxes and types are not theirs."""
    same = [layer for layer in viewer.layers if isinstance(layer, Labels) and layer_id(layer) == layer_id(labels)]
    same.sort(key=lambda layer: _begun(layer) is None)
    for copy in same[1:]:
        note(copy, layer_id=copy.unique_id)


def opened(viewer: ViewerModel) -> dict[Address, Labels]:
    """The cells of the images of results folders that are open, whether they are under review or not."""
    found = dict[Address, Labels]()
    for image in viewer.layers:
        place = place_of(image) if isinstance(image, Image) else None
        cells = [] if place is None else made_from(viewer.layers, image, Labels)
        if place is not None and cells and isinstance(cells[-1], Labels):
            found[place.folder, place.image] = cells[-1]
    return found


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


def address_of(source: Source) -> Address:
    """The results folder of a source, None where it has none, and the name of its image: no other image has both."""
    place = None if isinstance(source, Saved) else place_of(source.image)
    folder = source.folder if isinstance(source, Saved) else None if place is None else place.folder
    return folder, name_of(source)
