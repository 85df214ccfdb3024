"""Drawn smears with known cells, for demo, samples and tests.

Everything is drawn as a stained smear is seen: dyes take light away (optical density, natural logarithm), red cells that
overlap add up, white cells cover what is under them; then uneven light, the blur of the objective, the noise of the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from scipy import ndimage

from .cells import Labels, RgbImage
from .config import CELL_TYPES, RED_CELL_DIAMETER_UM
from .errors import StorageError, UsageError

Floats = npt.NDArray[np.float32]
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


@dataclass(frozen=True)
class _Disc:
    """A place for a cell: centre and radius, px."""

    y: float
    x: float
    radius: float


def draw_stain(rng: np.random.Generator) -> Stain:
    """The stain of a slide: from cream and strong to greyish white and pale."""
    lights = np.array([(251, 227, 203), (238, 233, 244), (224, 226, 224), (243, 236, 228)])
    reds = np.array([(0.24, 0.36, 0.20), (0.20, 0.30, 0.16), (0.15, 0.29, 0.26), (0.21, 0.33, 0.21)])
    weights = rng.dirichlet((0.5, 0.3, 0.3, 0.5))
    tint = rng.uniform(0.92, 1.08, 3)
    return Stain(_colour(weights @ lights), float(rng.uniform(0.85, 1.08)), _colour(tint), _colour(weights @ reds))


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
    _draw_red_cells(rng, density, places, um_per_px, stain)
    _draw_platelets(rng, density, places, um_per_px, stain)
    labels = np.zeros(shape, np.int32)
    for i, (name, place) in enumerate(zip(types, places, strict=True), start=1):
        _draw_white_cell(rng, density, labels, i, place, RECIPES[name], um_per_px, stain)
    return Drawn(_expose(rng, density, um_per_px, stain), labels, dict(enumerate(types, start=1)), um_per_px)


def write_smears(
    folder: Path, n_slides: int = 2, n_fields: int = 3, seed: int = 0, n_cells: int = 4
) -> list[tuple[Path, Drawn]]:
    """Draw slides and write them with their truth.

    Writes `images/slide-1/field-1.png` and so on, with the pixel size in the file, `truth/labels/slide-1/field-1.png.tif`, and
    `truth/cells.csv` with the columns image, cell_id, cell_type.

    Returns
    -------
    Path of each image, and what it shows.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    import tifffile

    rng = np.random.default_rng(seed)
    written, rows = [], ["image,cell_id,cell_type\n"]
    try:
        for slide in range(1, n_slides + 1):
            stain = draw_stain(rng)
            for field in range(1, n_fields + 1):
                name = f"slide-{slide}/field-{field}.png"
                drawn = draw_field(rng, n_cells=n_cells, stain=stain)
                path, truth = folder / "images" / name, folder / "truth" / "labels" / f"{name}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                truth.parent.mkdir(parents=True, exist_ok=True)
                Pillow.fromarray(drawn.image).save(path, dpi=(25400 / drawn.um_per_px,) * 2)
                tifffile.imwrite(truth, drawn.labels.astype(np.uint16), compression="zlib")
                rows += [f"{name},{i},{cell_type}\n" for i, cell_type in drawn.cell_types.items()]
                written.append((path, drawn))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "truth" / "cells.csv").write_text("".join(rows), encoding="utf-8", newline="\n")
    except OSError as error:
        raise StorageError(f"Cannot write drawn smears to {folder}: {error}. Choose a folder that can be written.") from error
    return written


def _place_white_cells(
    rng: np.random.Generator, shape: tuple[int, int], radii: Sequence[float], n_touching: int, at_border: bool
) -> list[_Disc]:
    """A place for every white cell, apart from each other but for those that are to touch; several fresh starts."""
    for _ in range(40):
        places: list[_Disc] = []
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
    rng: np.random.Generator, shape: tuple[int, int], radius: float, places: Sequence[_Disc], touch: _Disc | None, margin: float
) -> _Disc | None:
    """A place at least `margin` px from the border and apart from all others but `touch`, or None if none is found."""
    for _ in range(100):
        if touch is None:
            y, x = rng.uniform(0, 1, 2) * shape
        else:
            angle, distance = rng.uniform(0, 2 * np.pi), 0.97 * (touch.radius + radius)
            y, x = touch.y + distance * np.sin(angle), touch.x + distance * np.cos(angle)
        inside = margin <= y <= shape[0] - 1 - margin and margin <= x <= shape[1] - 1 - margin
        if inside and all(np.hypot(y - p.y, x - p.x) > 1.25 * (p.radius + radius) for p in places if p is not touch):
            return _Disc(float(y), float(x), radius)
    return None


def _draw_red_cells(rng: np.random.Generator, density: Floats, white: Sequence[_Disc], um_per_px: float, stain: Stain) -> None:
    """Red cells, 7.5 µm wide, everywhere but on white cells: most apart, some overlapping; the border may cut them."""
    height, width = density.shape[:2]
    mean = RED_CELL_DIAMETER_UM / 2 / um_per_px
    others = np.array([(p.y, p.x, p.radius) for p in white]).reshape(-1, 3)
    n_wanted = int(rng.uniform(0.4, 0.85) * (height + 2 * mean) * (width + 2 * mean) / (np.pi * mean**2))
    pallor_here = rng.uniform(0.35, 0.85)
    for y, x in rng.uniform(-mean, (height + mean, width + mean), (3 * n_wanted, 2)):
        radius = mean * rng.normal(1, 0.05)
        nearest = np.hypot(others[:, 0] - y, others[:, 1] - x) / (others[:, 2] + radius)
        limit = np.where(np.arange(len(others)) < len(white), 0.97, 0.72 if rng.random() < 0.12 else 1.0)
        if n_wanted == 0 or (nearest < limit).any():
            continue
        n_wanted -= 1
        others = np.vstack([others, (y, x, radius)])
        window = _window(density, y, x, 1.3 * radius)
        if window is None:
            continue
        rho, inside = _blob(rng, window, y, x, radius, (0.05, 0.03, 0.015))
        pallor = pallor_here * rng.uniform(0.5, 1.1) * np.exp(-((rho / rng.uniform(0.36, 0.52)) ** 4))
        body = inside * (0.92 + 0.14 * rho**4 - pallor) * rng.normal(1, 0.06)
        density[window] += body[..., None] * _vector(stain.red_cell) * np.float32(stain.strength)


def _draw_platelets(rng: np.random.Generator, density: Floats, white: Sequence[_Disc], um_per_px: float, stain: Stain) -> None:
    """A few platelets, 2-3 µm wide, purple, granular, apart from white cells."""
    height, width = density.shape[:2]
    for _ in range(rng.poisson(height * width * um_per_px**2 / 700)):
        y, x, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(1.0, 1.5) / um_per_px
        window = _window(density, y, x, 1.5 * radius)
        if window is None or any(np.hypot(y - p.y, x - p.x) < 1.3 * (p.radius + radius) for p in white):
            continue
        rho, inside = _blob(rng, window, y, x, radius, (0.15, 0.1, 0.08))
        grains = 0.55 + 0.35 * _noise(rng, rho.shape, 0.25 / um_per_px)
        body = inside * np.clip(grains, 0.1, 1.2) * (1.1 - 0.7 * rho)
        density[window] += body[..., None] * _vector(stain.tint) * _vector((0.75, 1.0, 0.25))


def _draw_white_cell(
    rng: np.random.Generator,
    density: Floats,
    labels: Labels,
    cell_id: int,
    place: _Disc,
    recipe: Recipe,
    um_per_px: float,
    stain: Stain,
) -> None:
    """One white cell: cytoplasm, granules, nucleus with chromatin; it covers red cells, and earlier white cells cover it."""
    window = _window(density, place.y, place.x, 1.3 * place.radius)
    assert window is not None
    rho, inside = _blob(rng, window, place.y, place.x, place.radius, (0.035, 0.03, 0.02, 0.015, 0.01))
    inside = inside * (labels[window] == 0)
    labels[window][inside >= 0.5] = cell_id
    nucleus = _nucleus(rng, window, place, recipe, um_per_px) * inside
    size = rho.shape
    cloud = 1 + 0.10 * _noise(rng, size, 0.8 / um_per_px) + 0.07 * _noise(rng, size, 0.2 / um_per_px)
    body = (cloud * np.clip(0.85 + 0.2 * rho**3, 0, 1.05))[..., None] * _vector(recipe.cytoplasm)
    grains = _spots(rng, size, recipe.granule_um / um_per_px, recipe.granule_share)[..., None]
    body = body * (1 - grains) + grains * _vector(recipe.granules)
    clumps = 1 - recipe.chromatin * np.clip(0.3 + 0.45 * _noise(rng, size, 0.17 / um_per_px), 0, 0.8)
    rim = np.clip(4 * nucleus * (1 - nucleus), 0, 1)
    chromatin = (np.clip(clumps + 0.25 * rim, 0, 1.1))[..., None] * _vector(recipe.nucleus)
    if recipe.granules_over_nucleus:
        chromatin = chromatin * (1 - 0.7 * grains) + 0.7 * grains * _vector(recipe.granules)
    body = body * (1 - nucleus[..., None]) + chromatin * nucleus[..., None]
    body *= _vector(stain.tint) * np.float32(stain.strength)
    density[window] += inside[..., None] * (body - density[window])


def _nucleus(rng: np.random.Generator, window: tuple[slice, slice], place: _Disc, recipe: Recipe, um_per_px: float) -> Floats:
    """Share of nucleus, 0..1, in every pixel of a window: lobes on an arc, linked by bridges, with a smooth uneven outline."""
    n = int(rng.integers(recipe.lobes[0], recipe.lobes[1] + 1))
    turn, bend = rng.uniform(0, 2 * np.pi), rng.choice((-1, 1))
    angles = turn + bend * recipe.step_rad * (np.arange(n) - (n - 1) / 2) * rng.uniform(0.9, 1.1)
    arc = recipe.arc_radius * place.radius * rng.uniform(0.85, 1.05, n)
    ys, xs = place.y + arc * np.sin(angles), place.x + arc * np.cos(angles)
    radii = recipe.lobe_radius * place.radius * rng.uniform(0.88, 1.1, n) * (1.12 if n < 3 else 1)
    yy, xx = (a.astype(np.float32) for a in np.ogrid[window])
    distance = np.full((yy.shape[0], xx.shape[1]), np.inf, np.float32)
    for i in range(n):
        stretch, lean = rng.uniform(0.85, 1.0), rng.uniform(0, np.pi)
        along = (xx - xs[i]) * np.cos(lean) + (yy - ys[i]) * np.sin(lean)
        across = (yy - ys[i]) * np.cos(lean) - (xx - xs[i]) * np.sin(lean)
        lobe = np.hypot(along * stretch, across / stretch) - radii[i]
        if i:  # the bridge to the lobe before
            dy, dx = ys[i] - ys[i - 1], xs[i] - xs[i - 1]
            t = np.clip(((yy - ys[i - 1]) * dy + (xx - xs[i - 1]) * dx) / (dy * dy + dx * dx), 0, 1)
            bridge = np.hypot(yy - ys[i - 1] - t * dy, xx - xs[i - 1] - t * dx) - recipe.neck * place.radius
            lobe = np.minimum(lobe, bridge)
        distance = np.minimum(distance, lobe)
    distance += 0.035 * place.radius * _noise(rng, distance.shape, 0.9 / um_per_px)
    return np.asarray(np.clip(0.5 - distance * (um_per_px / 0.2), 0, 1), np.float32)


def _expose(rng: np.random.Generator, density: Floats, um_per_px: float, stain: Stain) -> RgbImage:
    """What the camera sees of a density: uneven light, blur of the objective, noise; (H, W, 3) uint8."""
    height, width = density.shape[:2]
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    slope = rng.normal(0, 0.012, 2).astype(np.float32)
    light = 1 + slope[0] * y + slope[1] * x - np.float32(rng.uniform(0, 0.035)) * (y * y + x * x) / 2
    blur = rng.uniform(0.07, 0.12) / um_per_px
    image = np.exp(-density) * _vector(stain.light) * light[..., None]
    image = ndimage.gaussian_filter(image, (blur, blur, 0))
    noise = ndimage.uniform_filter(rng.standard_normal(image.shape, dtype=np.float32), (2, 2, 0))
    return np.clip(np.rint(image + 2.4 * noise), 0, 255).astype(np.uint8)


def _window(array: npt.NDArray[np.float32], y: float, x: float, reach: float) -> tuple[slice, slice] | None:
    """The part of an array within `reach` px of a point, or None if there is none."""
    height, width = array.shape[:2]
    rows = slice(max(0, int(y - reach)), min(height, int(y + reach) + 2))
    columns = slice(max(0, int(x - reach)), min(width, int(x + reach) + 2))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def _blob(
    rng: np.random.Generator, window: tuple[slice, slice], y: float, x: float, radius: float, waves: Sequence[float]
) -> tuple[Floats, Floats]:
    """A disc with a wavy outline, of Fourier orders 2, 3, ... and the given amplitudes.

    Returns the distance of every pixel from the centre, in local radii, and its share that lies inside, 0..1.
    """
    yy, xx = (a.astype(np.float32) for a in np.ogrid[window])
    r, angle = np.hypot(yy - y, xx - x), np.arctan2(yy - y, xx - x)
    outline = np.full_like(r, radius)
    for order, amplitude in enumerate(waves, start=2):
        outline += radius * amplitude * np.float32(rng.normal()) * np.cos(order * angle + np.float32(rng.uniform(0, 2 * np.pi)))
    return r / outline, np.clip(outline - r + 0.5, 0, 1)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sigma_px: float) -> Floats:
    """Smooth noise of mean 0 and standard deviation about 1."""
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma_px, truncate=3)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), np.float32)


def _spots(rng: np.random.Generator, shape: tuple[int, ...], diameter_px: float, share: float) -> Floats:
    """Round grains of about a diameter that cover about a share of the plane; 0..1, soft edges."""
    noise = _noise(rng, shape, diameter_px / 2.5)
    return np.asarray(np.clip((noise - np.quantile(noise, 1 - share)) * 2 + 0.5, 0, 1), np.float32)


def _vector(colour: Colour) -> Floats:
    """A colour as an array, (3,) float32."""
    return np.array(colour, np.float32)


def _colour(values: npt.NDArray[np.float64]) -> Colour:
    """Three numbers as a tuple of float."""
    red, green, blue = (float(v) for v in values)
    return red, green, blue
