"""What letters and digits do in the gallery: name cells of reviews, and of images that are not open; each is undone; no Qt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from ..errors import StorageError, UsageError
from ..results.record import Record
from ..results.runfile import now
from ..review import Edit, confirm, rename
from . import keys
from .own_types import own_types
from .reviews import Address, Item, Source, address_of, name_of
from .saved import Saved, edit, take_back
from .session import Session
from .tables import Tables

Replaced: TypeAlias = dict[Saved, Saved]
"""Images of a results folder before and after an edit."""


@dataclass(frozen=True, eq=False)
class Named:
    """What a letter did to cells of one image.

    Attributes
    ----------
    source
        The review, or the image as it was saved by the letter.
    cell_id
        The first of the cells.
    undo_by
        The edit of the review, or the record before.
    """

    source: Source
    cell_id: int
    undo_by: Edit | Record


class Naming:
    """The letters, and what they have done: opening an image takes seconds, so one that is not open is edited in its record."""

    def __init__(self, letters: Mapping[str, str]) -> None:
        self._names = {letters[name]: name for name in keys.NAMES}
        self._confirm = letters[keys.CONFIRM]
        self._done: list[list[Named]] = []
        self.tables = Tables()

    def knows(self, letter: str) -> bool:
        """Whether a letter does something."""
        return letter in (*self._names, *own_types.by_digit, self._confirm)

    def do(self, letter: str, items: Sequence[Item], by: str) -> Replaced:
        """Name or confirm cells; `by` is who says so. Errors as in `Session.name` and `saved.edit`."""
        replaced, name = {}, self._names.get(letter) or own_types.by_digit.get(letter)  # without a name it confirms
        self._done.append([])
        for source in dict.fromkeys(item.source for item in items):
            ids = [item.cell_id for item in items if item.source is source]
            if isinstance(source, Session):
                self._done[-1] += _named_in_review(source, ids, name)
            else:
                said = partial(confirm) if name is None else partial(rename, cell_type=name)
                before, after = edit(source, partial(said, ids=ids, by=by, at=now()))
                replaced[source] = after
                self.tables.due(source.folder)
                self._done[-1] += [Named(after, ids[0], before)] if after.record != before else []
        return replaced

    def undo(self) -> tuple[Replaced, tuple[Address, int] | None]:
        """Undo all that the last letter did: the images that it changed, and where to go back to.

        Raises
        ------
        UsageError
            If an image was changed since by other means: then that is not undone any more.
        ResultsError
            If a record cannot be read.
        StorageError
            If a record cannot be written: then it can be undone later.
        """
        replaced: Replaced = {}
        back = None
        while self._done and back is None:
            while self._done[-1]:
                named = self._done[-1].pop()
                try:
                    undone = _undo(named)
                except StorageError:
                    self._done[-1].append(named)
                    raise
                if isinstance(undone, Saved):
                    assert isinstance(named.source, Saved)
                    replaced[named.source] = undone
                    self.tables.due(undone.folder)
                if undone is not None:
                    back = address_of(undone), named.cell_id
            self._done.pop()
        return replaced, back

    def forget(self, opened: Collection[Address]) -> None:
        """Forget closed reviews, which would keep their layers, and images that are open by now: their reviews undo."""
        for together in self._done:
            together[:] = [named for named in together if not _is_gone(named.source, opened)]


def _is_gone(source: Source, opened: Collection[Address]) -> bool:
    return not source.open if isinstance(source, Session) else address_of(source) in opened


def _named_in_review(session: Session, ids: Sequence[int], name: str | None) -> list[Named]:
    """Name or confirm cells of a review; nothing, where they were called so already."""
    done = session.confirm(ids) if name is None else session.name(name, ids)
    return [Named(session, ids[0], done)] if done else []


def _undo(named: Named) -> Source | None:
    """Undo an edit: what it was undone in, or None where it was undone already; errors as in `Naming.undo`."""
    source = named.source
    if isinstance(source, Saved):
        assert isinstance(named.undo_by, Record)
        return take_back(named.undo_by, source)
    source.sync()
    if named.undo_by not in source.history.done:
        return None
    if source.history.done[-1] is not named.undo_by:
        raise UsageError(
            f"{name_of(source)} was changed on its layers since. Take it up in Review cells and press Ctrl+Z there."
        )
    source.undo()
    return source
