"""Keys of a review: Shift and a letter on its layers, because napari has taken the plain letters there; no Qt.

Napari ignores key bindings of a manifest, so they are bound here, and what was bound before is restored. A person chooses other
letters in napari's Preferences, under the settings of this plugin, which the manifest declares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from napari.layers import Layer
from napari.utils.key_bindings import coerce_keybinding

from ..config import ARTEFACT, CELL_TYPES, SMUDGE, UNIDENTIFIED
from .preferences import preferences

NAMES = (*CELL_TYPES, UNIDENTIFIED, ARTEFACT, SMUDGE)
"""The cell types that have a letter."""

CONFIRM, NEXT, PREVIOUS, SPLIT, MERGE, DELETE, NEW = "confirm", "next", "previous", "split", "merge", "delete", "new"
"""The other verbs that have a letter."""

TYPE_LETTERS = {**{name: name[0].upper() for name in CELL_TYPES}, UNIDENTIFIED: "U", ARTEFACT: "A", SMUDGE: "S"}
VERB_LETTERS = {CONFIRM: "C", NEXT: "F", PREVIOUS: "R", SPLIT: "X", MERGE: "G", DELETE: "D", NEW: "W"}
DEFAULTS = TYPE_LETTERS | VERB_LETTERS
"""Letter of each cell type and verb; with Shift on the layers, alone in the gallery.

Forward, return, cross out the bridge, glue, one more: N names neutrophils.
"""

UNDO = "Z"
"""In the gallery; on the layers it is Ctrl+Z, as everywhere."""

SECTION = "review_keys"
"""Where napari keeps the letters that a person has chosen; see `configurations` in the manifest."""


def chosen_letters() -> tuple[dict[str, str], str]:
    """The letters that a person has chosen, and what is wrong with them: then the letters are `DEFAULTS`."""
    stated = preferences(SECTION)
    if stated is None:
        return DEFAULTS, ""
    letters = {verb: str(getattr(stated, verb)).strip().upper() for verb in DEFAULTS}
    wrong = complaint(letters)
    return (DEFAULTS, wrong) if wrong else (letters, "")


def complaint(letters: Mapping[str, str]) -> str:
    """What is wrong with some letters, or an empty text."""
    for verb, letter in letters.items():
        same = [f"'{other}'" for other, its in letters.items() if its == letter]
        if len(same) > 1 or not (len(letter) == 1 and "A" <= letter <= "Y"):
            return (
                f"The key of '{verb}' must be a letter of its own, A to Y; found '{letter}' for {' and '.join(same)}. "
                "Change it in Preferences; until then the keys are as at first."
            )
    return ""


def described(letters: Mapping[str, str], own: Mapping[str, str]) -> str:
    """What the letters do in the gallery, and the digits, which name types of the person's own."""
    said = ", ".join([*(f"{letters[name]} {name}" for name in (*NAMES, CONFIRM)), *(f"{digit} {own[digit]}" for digit in own)])
    return f"Keys here: {said}, {UNDO} undo, arrows go on."


class Keys:
    """Bound keys of some layers.

    Parameters
    ----------
    layers
        The layers.
    actions
        What each key does, e.g. `{"Shift-N": …, "Control-Z": …}`.
    """

    def __init__(self, layers: Sequence[Layer], actions: Mapping[str, Callable[[], object]]) -> None:
        self._before: list[tuple[Layer, Any, Any]] = []
        for layer in layers:
            for key, action in actions.items():
                binding = coerce_keybinding(key)
                self._before.append((layer, binding, layer.keymap.get(binding)))
                layer.bind_key(binding, _ignoring_layer(action), overwrite=True)

    def restore(self) -> None:
        """Bind again what was bound before."""
        for layer, binding, before in self._before:
            layer.bind_key(binding, before, overwrite=True)
        self._before.clear()


def _ignoring_layer(action: Callable[[], object]) -> Callable[[Layer], None]:
    """The action as napari calls it: with the layer, and it must have a `__name__`, which a `partial` has not."""

    def press(_: Layer) -> None:
        action()

    return press
