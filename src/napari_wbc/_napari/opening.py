"""Open an image of a results folder that is seen in the gallery, but not in the viewer."""

from __future__ import annotations

from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication

from .review_widget import ReviewCells
from .reviews import open_reviews, session_of
from .saved import Saved
from .saving import reviewed_layers


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
