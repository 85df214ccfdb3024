"""Sample data: drawn smears, made on the spot."""

from __future__ import annotations

import numpy as np

from ..synthetic import draw_field
from .origin import KEY
from .reader import LayerData


def drawn_smear() -> list[LayerData]:
    """A drawn field of a few cells; its pixel size is known."""
    um_per_px = 0.1
    drawn = draw_field(np.random.default_rng(0), shape=(480, 640), n_cells=5, um_per_px=um_per_px)
    return [(drawn.image.copy(), {"name": "Drawn smear", "metadata": {KEY: {"um_per_px": um_per_px}}, "rgb": True}, "image")]
