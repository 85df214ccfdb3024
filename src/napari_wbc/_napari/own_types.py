"""Cell types of a person's own that have a key: 1 to 9, in the order in which they were named first; no Qt.

Napari keeps them among the preferences of this plugin, where a person may change them; where it keeps none, they last as long
as the program.
"""

from __future__ import annotations

from ..config import TYPE_COLOURS
from .preferences import preferences

SECTION = "own_types"
DIGITS = "123456789"


class OwnTypes:
    """The types, in the order of their digits."""

    def __init__(self) -> None:
        self._here = ""

    @property
    def by_digit(self) -> dict[str, str]:
        """The types by their digits."""
        stated = preferences(SECTION)
        names = (self._here if stated is None else str(stated.names)).split(",")
        own = dict.fromkeys(name.strip() for name in names if name.strip() and name.strip() not in TYPE_COLOURS)
        return dict(zip(DIGITS, own, strict=False))

    def add(self, name: str) -> None:
        """Give a type the next digit, if it has none and one is left; a name with a comma in it gets none."""
        known, name = list(self.by_digit.values()), name.strip()
        if not name or "," in name or name in (*known, *TYPE_COLOURS) or len(known) == len(DIGITS):
            return
        self._here = ", ".join([*known, name])
        stated = preferences(SECTION)
        if stated is not None:
            stated.names = self._here


own_types = OwnTypes()
"""Of this program."""
