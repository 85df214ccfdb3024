"""How cells and stains look: recipes of the five cell types, and stains drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Colour = tuple[float, float, float]
"""Optical density of red, green and blue, natural logarithm."""


@dataclass(frozen=True)
class Recipe:
    """How a cell type looks; lengths of the nucleus in cell radii.

    Parameters
    ----------
    diameter_um
        Smallest and largest diameter, µm.
    lobes
        Least and most lobes of the nucleus.
    lobe_radius, arc_radius, neck
        Radius of a lobe, of the arc on which the lobes sit, and of the bridge that links one lobe to the next.
    step_rad
        Angle between neighbouring lobes on the arc, rad.
    nucleus, cytoplasm, granules
        Optical densities.
    granule_um, granule_share
        Diameter of the granules, µm, and the share of the cytoplasm that they cover.
    chromatin
        Contrast of the chromatin, 0..1.
    granules_over_nucleus
        Whether the granules lie over the nucleus too.
    """

    diameter_um: tuple[float, float]
    lobes: tuple[int, int]
    lobe_radius: float
    arc_radius: float
    neck: float
    step_rad: float
    nucleus: Colour
    cytoplasm: Colour
    granules: Colour
    granule_um: float
    granule_share: float
    chromatin: float
    granules_over_nucleus: bool = False


_NUCLEUS: Colour = (1.22, 1.95, 0.44)
RECIPES: dict[str, Recipe] = {
    "basophil": Recipe(
        diameter_um=(11, 13), lobes=(2, 3), lobe_radius=0.47, arc_radius=0.3, neck=0.36, step_rad=1.6,
        nucleus=(0.86, 1.33, 0.33), cytoplasm=(0.42, 0.62, 0.17), granules=(1.25, 1.85, 0.48),
        granule_um=0.55, granule_share=0.42, chromatin=0.35, granules_over_nucleus=True,
    ),
    "eosinophil": Recipe(
        diameter_um=(13, 15), lobes=(2, 3), lobe_radius=0.34, arc_radius=0.46, neck=0.1, step_rad=1.9,
        nucleus=_NUCLEUS, cytoplasm=(0.26, 0.52, 0.32), granules=(0.3, 0.8, 0.52),
        granule_um=0.5, granule_share=0.5, chromatin=0.45,
    ),
    "lymphocyte": Recipe(
        diameter_um=(8, 12), lobes=(1, 1), lobe_radius=0.74, arc_radius=0.07, neck=0.0, step_rad=1.0,
        nucleus=_NUCLEUS, cytoplasm=(0.48, 0.44, 0.1), granules=(0.7, 0.8, 0.2),
        granule_um=0.3, granule_share=0.05, chromatin=0.35,
    ),
    "monocyte": Recipe(
        diameter_um=(15, 18), lobes=(3, 3), lobe_radius=0.43, arc_radius=0.4, neck=0.4, step_rad=0.95,
        nucleus=(1.0, 1.68, 0.38), cytoplasm=(0.4, 0.42, 0.11), granules=(0.52, 0.68, 0.2),
        granule_um=0.3, granule_share=0.12, chromatin=0.55,
    ),
    "neutrophil": Recipe(
        diameter_um=(12, 14), lobes=(2, 5), lobe_radius=0.29, arc_radius=0.48, neck=0.09, step_rad=0.98,
        nucleus=_NUCLEUS, cytoplasm=(0.22, 0.34, 0.17), granules=(0.44, 0.78, 0.26),
        granule_um=0.28, granule_share=0.1, chromatin=0.4,
    ),
}  # fmt: skip
"""Of each of the five cell types."""


@dataclass(frozen=True)
class Stain:
    """Light and dyes of one slide: `light` is the colour of the empty background, 0..255; the rest factors and densities."""

    light: Colour
    strength: float
    tint: Colour
    red_cell: Colour


def draw_stain(rng: np.random.Generator) -> Stain:
    """The stain of a slide: from cream and strong to greyish white and pale."""
    lights = np.array([(251, 227, 203), (238, 233, 244), (224, 226, 224), (243, 236, 228)])
    reds = np.array([(0.24, 0.36, 0.20), (0.20, 0.30, 0.16), (0.15, 0.29, 0.26), (0.21, 0.33, 0.21)])
    weights = rng.dirichlet((0.5, 0.3, 0.3, 0.5))
    tint = rng.uniform(0.92, 1.08, 3)
    return Stain(_colour(weights @ lights), float(rng.uniform(0.85, 1.08)), _colour(tint), _colour(weights @ reds))


def _colour(values: npt.NDArray[np.float64]) -> Colour:
    """Three numbers as a tuple of float."""
    red, green, blue = (float(v) for v in values)
    return red, green, blue


def as_vector(colour: Colour) -> npt.NDArray[np.float32]:
    """A colour as an array, (3,) float32."""
    return np.array(colour, np.float32)
