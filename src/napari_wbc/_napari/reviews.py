"""Find or begin the review of a layer of cells, and the reviews that are open; no Qt."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Labels

from .layers import read_measured
from .origin import origin
from .session import SESSION, Session


def session_of(viewer: ViewerModel, labels: Labels) -> Session:
    """The review of a Labels layer, begun if there is none.

    Raises
    ------
    UsageError
        If its cells are not measured, or its image is not there.
    """
    found = labels.metadata.get(SESSION)
    if isinstance(found, Session) and found.labels is labels and found.open:
        return found
    return Session(viewer, labels)


def open_reviews(viewer: ViewerModel) -> list[Session]:
    """The reviews whose layers are all open."""
    found = [layer.metadata.get(SESSION) for layer in viewer.layers if isinstance(layer, Labels)]
    return [session for session in found if isinstance(session, Session) and session.open]


def reviewed(labels: Labels) -> bool:
    """Whether a person has named or outlined cells of a layer, or reviews them now."""
    if SESSION in labels.metadata:
        return True
    made = origin(labels)
    if made is None or made.measured is None:
        return False
    return any(cell.source == "human" or cell.reviewed_by for cell in read_measured(labels).cells)
