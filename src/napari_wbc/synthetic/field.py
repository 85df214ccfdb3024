"""Draw one field of a smear: place its cells, draw them, take the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..cells import Labels, RgbImage
from ..config import CELL_TYPES
from ..errors import UsageError
from .draw import Disc, draw_platelets, draw_red_cells, draw_white_cell
from .looks import RECIPES, Stain, as_vector, draw_stain
from .shapes import Floats


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn field and the truth about it.

    Parameters
    ----------
    image
        (H, W, 3) uint8.
    labels
        (H, W) int32, one id per white cell.
    cell_types
        Cell type by id.
    um_per_px
        Pixel size, µm.
    """

    image: RgbImage
    labels: Labels
    cell_types: dict[int, str]
    um_per_px: float


def draw_field(
    rng: np.random.Generator,
    shape: tuple[int, int] = (480, 640),
    n_cells: int = 3,
    um_per_px: float = 0.1,
    cell_types: Sequence[str] = CELL_TYPES,
    n_touching: int = 0,
    at_border: bool = False,
    stain: Stain | None = None,
) -> Drawn:
    """Draw one field of a smear.

    Parameters
    ----------
    rng
        The same state gives the same field.
    shape
        Rows and columns, px.
    n_cells
        White cells.
    um_per_px
        Pixel size, µm.
    cell_types
        Types to draw, equally often, in random order: as many cells as types show each type once.
    n_touching
        So many of the cells touch the cell drawn before them.
    at_border
        Whether the border may cut white cells.
    stain
        None: a random one.

    Raises
    ------
    UsageError
        If so many cells do not fit, or a cell type has no recipe.
    """
    if unknown := set(cell_types) - set(RECIPES):
        raise UsageError(f"Cannot draw the cell types {sorted(unknown)}; known are {', '.join(RECIPES)}.")
    stain = stain or draw_stain(rng)
    order = rng.permutation(len(cell_types))
    types = [cell_types[order[i % len(order)]] for i in range(n_cells)]
    radii = [rng.uniform(*RECIPES[name].diameter_um) / 2 / um_per_px for name in types]
    places = _place_white_cells(rng, shape, radii, n_touching, at_border)
    density = np.zeros((*shape, 3), np.float32)
    draw_red_cells(rng, density, places, um_per_px, stain)
    draw_platelets(rng, density, places, um_per_px, stain)
    labels = np.zeros(shape, np.int32)
    for i, (name, place) in enumerate(zip(types, places, strict=True), start=1):
        draw_white_cell(rng, density, labels, i, place, RECIPES[name], um_per_px, stain)
    return Drawn(_expose(rng, density, um_per_px, stain), labels, dict(enumerate(types, start=1)), um_per_px)


def _place_white_cells(
    rng: np.random.Generator, shape: tuple[int, int], radii: Sequence[float], n_touching: int, at_border: bool
) -> list[Disc]:
    """A place for every white cell, apart from each other but for those that are to touch; several fresh starts."""
    for _ in range(40):
        places: list[Disc] = []
        for i, radius in enumerate(radii):
            touch = places[-1] if places and i >= len(radii) - n_touching else None
            place = _place_one(rng, shape, radius, places, touch, 0.0 if at_border else 1.15 * radius)
            if place is None:
                break
            places.append(place)
        else:
            return places
    raise UsageError(f"{len(radii)} white cells do not fit into {shape[0]} × {shape[1]} pixels. Draw fewer, or a larger field.")


def _place_one(
    rng: np.random.Generator, shape: tuple[int, int], radius: float, places: Sequence[Disc], touch: Disc | None, margin: float
) -> Disc | None:
    """A place at least `margin` px from the border and apart from all others but `touch`, or None if none is found."""
    for _ in range(100):
        if touch is None:
            y, x = rng.uniform(0, 1, 2) * shape
        else:
            angle, distance = rng.uniform(0, 2 * np.pi), 0.97 * (touch.radius + radius)
            y, x = touch.y + distance * np.sin(angle), touch.x + distance * np.cos(angle)
        inside = margin <= y <= shape[0] - 1 - margin and margin <= x <= shape[1] - 1 - margin
        if inside and all(np.hypot(y - p.y, x - p.x) > 1.25 * (p.radius + radius) for p in places if p is not touch):
            return Disc(float(y), float(x), radius)
    return None


def _expose(rng: np.random.Generator, density: Floats, um_per_px: float, stain: Stain) -> RgbImage:
    """What the camera sees of a density: uneven light, blur of the objective, noise; (H, W, 3) uint8."""
    height, width = density.shape[:2]
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    slope = rng.normal(0, 0.012, 2).astype(np.float32)
    light = 1 + slope[0] * y + slope[1] * x - np.float32(rng.uniform(0, 0.035)) * (y * y + x * x) / 2
    blur = rng.uniform(0.07, 0.12) / um_per_px
    image = np.exp(-density) * as_vector(stain.light) * light[..., None]
    image = ndimage.gaussian_filter(image, (blur, blur, 0))
    noise = ndimage.uniform_filter(rng.standard_normal(image.shape, dtype=np.float32), (2, 2, 0))
    return np.clip(np.rint(image + 2.4 * noise), 0, 255).astype(np.uint8)
