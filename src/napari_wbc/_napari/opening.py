"""Open an image of a results folder that is seen in the gallery, but not in the viewer."""

from __future__ import annotations

from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication

from .reopening import reviewed_layers
from .review_widget import ReviewCells
from .reviews import open_reviews, session_of
from .saved import Saved
from .slide_layer import shows_slide

LOOK_PX = 60
"""The longer side of a cell on the screen when it is looked at in a slide, px, at least."""


def look_at_slide(viewer: Viewer, saved: Saved, cell_id: int) -> None:
    """Look at a cell of a slide, whose layers are opened if they are not; errors as of `open_saved`."""
    labels = shows_slide(viewer, saved.folder, saved.record.image)
    if labels is None:
        viewer.layers.extend(reviewed_layers(saved.folder, saved.record.image))
        labels = shows_slide(viewer, saved.folder, saved.record.image)
    assert labels is not None
    cell = next(cell for cell in saved.cells if cell.cell_id == cell_id)
    labels.selected_label = cell_id
    scene = getattr(viewer, "scene", viewer)
    scene.camera.center = (0, *labels.data_to_world((cell.centroid_y, cell.centroid_x)))
    scene.camera.zoom = max(scene.camera.zoom, LOOK_PX / max(cell.box.height, cell.box.width))


def open_saved(viewer: Viewer, saved: Saved) -> None:
    """Open a saved image, in *Review cells* where that is in use: it saves and leaves the image that it has.

    Raises
    ------
    WbcError
        If the image cannot be opened. What *Review cells* cannot do it shows itself.
    """
    widgets = [widget for top in QApplication.topLevelWidgets() for widget in top.findChildren(ReviewCells)]
    reviewing = [widget for widget in widgets if widget.session in open_reviews(viewer)]  # each has a proxy of the viewer
    if reviewing:
        reviewing[0].filing.open_image(saved.folder, saved.record.image)
        return
    layers = reviewed_layers(saved.folder, saved.record.image)
    viewer.layers.extend(layers)
    session_of(viewer, layers[1])
