"""The analysis scale of an image: the resizing at which its cells are as large as those the network was trained on.

Precedence: what the user says > what the file says > estimated from the red cells > from the white cells found > assumed.
"""

from __future__ import annotations

from .choice import choose_scale, other_scales, scale_from_cells
from .red_cells import red_cell_diameter_px
from .resizing import one_piece, resize, to_analysis, to_native

__all__ = [
    "choose_scale",
    "one_piece",
    "other_scales",
    "red_cell_diameter_px",
    "resize",
    "scale_from_cells",
    "to_analysis",
    "to_native",
]
