"""Keys of a review: Shift and a letter on its layers, because napari has taken the plain letters there; no Qt.

Napari ignores key bindings of a manifest, so they are bound here, and what was bound before is restored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from napari.layers import Layer
from napari.utils.key_bindings import coerce_keybinding

from ..config import ARTEFACT, CELL_TYPES, SMUDGE, UNIDENTIFIED

TYPE_KEYS: dict[str, str] = {**{name: name[0].upper() for name in CELL_TYPES}, UNIDENTIFIED: "U", ARTEFACT: "A", SMUDGE: "S"}
"""Letter of each cell type; with Shift on the layers, alone in the gallery."""

CONFIRM, NEXT, PREVIOUS, SPLIT, MERGE, DELETE, ADD = "C", "F", "R", "X", "G", "D", "W"
"""Letters of the verbs: confirm, forward, return, cross out the bridge, glue, delete, new (N names neutrophils)."""


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
