"""Reviews that no *Review cells* keeps: what letters of the gallery name in them is saved at every letter."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakSet

from qtpy.QtWidgets import QApplication

from ..errors import WbcError
from .autosave import Autosave, drop_kept
from .origin import place_of
from .review_widget import ReviewCells
from .saving import save
from .session import Session
from .tables import Tables


class Unattended:
    """The reviews that letters have named cells in.

    Parameters
    ----------
    tables
        Told of the folders whose records are written.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._named = WeakSet[Session]()

    def add(self, sessions: Iterable[Session]) -> None:
        """Letters have named cells in them."""
        self._named.update(sessions)

    def save(self) -> None:
        """Save those that nothing else keeps; those without a results folder are kept, to be offered at the next start.

        Raises
        ------
        WbcError
            As of `saving.save`, after all others were saved; it names each that could not be.
        """
        errors = []
        for session in [session for session in self._named if session.open]:
            try:
                self._save(session)
            except WbcError as error:
                errors.append(error)
        if errors:
            raise type(errors[0])("\n".join(map(str, errors))) from errors[0]

    def _save(self, session: Session) -> None:
        place = place_of(session.image)
        if not session.unsaved or any(widget.session is session for widget in review_widgets()):
            return
        if place is None:
            Autosave(session).keep()
            return
        try:
            save(session)
            drop_kept(session)
        finally:
            if place_of(session.image) != place:  # its record was written, whatever failed after that
                self._tables.due(place.folder)


def review_widgets() -> list[ReviewCells]:
    """Those that are open in any window."""
    return [widget for top in QApplication.topLevelWidgets() for widget in top.findChildren(ReviewCells)]
