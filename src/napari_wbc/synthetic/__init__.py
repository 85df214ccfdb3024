"""Drawn smears with known cells, for demo, samples and tests.

Everything is drawn as a stained smear is seen: dyes take light away (optical density, natural logarithm), red cells that
overlap add up, white cells cover what is under them; then uneven light, the blur of the objective, the noise of the camera.
"""

from __future__ import annotations

from .field import Drawn, draw_field
from .looks import RECIPES, Recipe, Stain, draw_stain
from .smears import write_smears

__all__ = ["RECIPES", "Drawn", "Recipe", "Stain", "draw_field", "draw_stain", "write_smears"]
