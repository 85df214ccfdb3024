"""Cells of a results folder that are seen in the gallery, in the viewer: look at them, open their images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Labels, Layer
from napari.viewer import Viewer

from ..errors import UsageError
from .origin import origin
from .reopening import reviewed_layers
from .reviews import Item, Source, address_of, name_of, open_reviews, opened, session_of
from .saved import Folder, Saved
from .selection import centre_on
from .session import Session
from .slide_layer import shows_slide, slide_layers
from .unattended import review_widgets

LOOK_PX = 60
"""The longer side of a cell on the screen when it is looked at in a slide, px, at least."""


def in_reviews(viewer: ViewerModel, items: Sequence[Item]) -> list[Item]:
    """The same cells, in reviews where their images are open: a record is never edited behind layers.

    Raises
    ------
    UsageError
        If an open image was analysed or changed since it was saved, or its review cannot begin; as in `session_of`.
    """
    there, reviews = opened(viewer), dict[Source, Source]()
    for source in {item.source for item in items}:
        if isinstance(source, Saved) and address_of(source) in there:
            labels = there[address_of(source)]
            made = origin(labels)
            if made is None or made.record != source.record:
                raise UsageError(
                    f"{name_of(source)} is open and is not as it was saved: review and save '{labels.name}' first."
                )
            reviews[source] = session_of(viewer, labels)
    return [Item(reviews.get(item.source, item.source), item.cell_id) for item in items]


def look_at(viewer: Viewer, item: Item) -> None:
    """Look at a cell of a field, whose image is opened if it is not; errors as in `open_saved`."""
    source = item.source
    if isinstance(source, Saved) and address_of(source) not in opened(viewer):
        open_saved(viewer, source)
    (there,) = in_reviews(viewer, [item])
    if isinstance(there.source, Session):
        there.source.selection.select([there.cell_id], look=True)


class SlideLook:
    """Looks at cells of slides; the file of one that is not open is found in a thread, and until then nothing is seen.

    Parameters
    ----------
    viewer
        Where they are looked at.
    folder
        Finds the files.
    """

    def __init__(self, viewer: Viewer, folder: Folder) -> None:
        self._viewer, self._folder = viewer, folder
        self._waiting: tuple[Saved, int, Future[Path], Layer | None] | None = None

    def at(self, slide: Saved, cell_id: int) -> bool:
        """Look at a cell, if its slide is open; else `take` opens it."""
        labels = shows_slide(self._viewer, slide.folder, slide.record.image)
        if labels is None:
            self._waiting = slide, cell_id, self._folder.find(slide), self._viewer.layers.selection.active
            return False
        self._look(labels, slide, cell_id)
        return True

    def forget(self) -> bool:
        """Open no slide that is looked for: the person has gone on to something else; False if none is."""
        waiting, self._waiting = self._waiting, None
        return waiting is not None

    def take(self) -> bool:
        """Open the slide that was found, and look at its cell; False if none was.

        Raises
        ------
        UsageError
            If another layer was chosen meanwhile: the slide would cover what is worked on.
        WbcError
            As of `find_slide`, `slide_layers`.
        """
        if self._waiting is None or not self._waiting[2].done():
            return False
        (slide, cell_id, path, active), self._waiting = self._waiting, None
        labels = shows_slide(self._viewer, slide.folder, slide.record.image)
        if labels is None:
            file = path.result()
            if self._viewer.layers.selection.active != active:
                raise UsageError(f"The file of {slide.record.image} was found. Click its cell again to open it.")
            image, labels = slide_layers(slide.folder, slide.record, file)
            self._viewer.layers.extend([image, labels])
        self._look(labels, slide, cell_id)
        return True

    def _look(self, labels: Labels, slide: Saved, cell_id: int) -> None:
        cell = next(cell for cell in slide.cells if cell.cell_id == cell_id)
        labels.selected_label = cell_id
        scene = self._viewer.scene
        centre_on(self._viewer, labels, cell)
        scene.camera.zoom = max(scene.camera.zoom, LOOK_PX / max(cell.box.height, cell.box.width))


def open_saved(viewer: Viewer, saved: Saved) -> None:
    """Open a saved image, in *Review cells* where that is in use: it saves and leaves the image that it has.

    Raises
    ------
    WbcError
        If the image cannot be opened. What *Review cells* cannot do it shows itself.
    """
    reviewing = [
        widget for widget in review_widgets() if widget.session in open_reviews(viewer)
    ]  # each has a proxy of the viewer
    if reviewing:
        reviewing[0].filing.open_image(saved.folder, saved.record.image)
    else:
        viewer.layers.extend(reviewed_layers(saved.folder, saved.record.image))
