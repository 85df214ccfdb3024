"""What letters and digits do in the gallery: name cells of reviews, and of images that are not open; each is undone; no Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeAlias

from ..errors import StorageError
from ..results.runfile import now
from ..review import confirm, rename
from . import keys
from .own_types import own_types
from .reviews import Item, Source, name_of
from .saved import Folder, Saved
from .session import Session
from .tables import Tables

Replaced: TypeAlias = dict[Saved, Saved]
"""Images of a results folder before and after an edit."""


class Naming:
    """The letters, and what they have done: opening an image takes seconds, so one that is not open is edited in its record."""

    def __init__(self, folder: Folder, letters: Mapping[str, str]) -> None:
        self._folder = folder
        self._names = {letters[name]: name for name in keys.NAMES}
        self._confirm = letters[keys.CONFIRM]
        self._done: list[tuple[Source, int]] = []
        self.tables = Tables()

    def knows(self, letter: str) -> bool:
        """Whether a letter does something."""
        return letter in (*self._names, *own_types.by_digit, self._confirm)

    def do(self, letter: str, items: Sequence[Item], by: str) -> Replaced:
        """Name or confirm cells; `by` is who says so. Errors as in `Session.name` and `Folder.edit`."""
        replaced = {}
        for source in dict.fromkeys(item.source for item in items):
            ids, name = [item.cell_id for item in items if item.source is source], self._named_by(letter)
            if isinstance(source, Session):
                source.confirm(ids) if name is None else source.name(name, ids)
            else:
                said = partial(confirm) if name is None else partial(rename, cell_type=name)
                replaced[source] = self._folder.edit(source, partial(said, ids=ids, by=by, at=now()))
                self.tables.due(source.folder)
            self._done.append((source, ids[0]))
        return replaced

    def _named_by(self, letter: str) -> str | None:
        """The type that a letter or digit names, or None: it confirms."""
        return self._names.get(letter) or own_types.by_digit.get(letter)

    def undo(self) -> tuple[Replaced, tuple[str, int] | None]:
        """Undo what was done last: what it changed, and the image and cell to go back to; errors as in `Folder.undo`."""
        if not self._done:
            return {}, None
        source, cell_id = self._done.pop()
        back = name_of(source), cell_id
        if isinstance(source, Session):
            source.undo()
            return {}, back
        now_there = self._folder.images[back[0]]
        try:
            return {now_there: self._folder.undo(back[0])}, back
        except StorageError:
            self._done.append((source, cell_id))  # it can be tried again
            raise

    def forget_closed(self) -> None:
        """Reviews that were closed undo no more; whoever keeps one keeps its layers."""
        self._done = [done for done in self._done if not isinstance(done[0], Session) or done[0].open]

    def forget(self, saved: Saved) -> None:
        """An image is opened: from now on its review undoes."""
        image = name_of(saved)
        self._done = [done for done in self._done if isinstance(done[0], Session) or name_of(done[0]) != image]
