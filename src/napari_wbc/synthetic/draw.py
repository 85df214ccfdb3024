"""Draw one cell or platelet into a field's optical density."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..cells import Labels
from ..config import RED_CELL_DIAMETER_UM
from .looks import Recipe, Stain, as_vector
from .shapes import Floats, Window, blob, smooth_noise, spots, window_round


@dataclass(frozen=True)
class Disc:
    """A place for a cell: centre and radius, px."""

    y: float
    x: float
    radius: float


def draw_red_cells(rng: np.random.Generator, density: Floats, white: Sequence[Disc], um_per_px: float, stain: Stain) -> None:
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
        window = window_round(density, y, x, 1.3 * radius)
        if window is None:
            continue
        rho, inside = blob(rng, window, y, x, radius, (0.05, 0.03, 0.015))
        pallor = pallor_here * rng.uniform(0.5, 1.1) * np.exp(-((rho / rng.uniform(0.36, 0.52)) ** 4))
        body = inside * (0.92 + 0.14 * rho**4 - pallor) * rng.normal(1, 0.06)
        density[window] += body[..., None] * as_vector(stain.red_cell) * np.float32(stain.strength)


def draw_platelets(rng: np.random.Generator, density: Floats, white: Sequence[Disc], um_per_px: float, stain: Stain) -> None:
    """A few platelets, 2-3 µm wide, purple, granular, apart from white cells."""
    height, width = density.shape[:2]
    for _ in range(rng.poisson(height * width * um_per_px**2 / 700)):
        y, x, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(1.0, 1.5) / um_per_px
        window = window_round(density, y, x, 1.5 * radius)
        if window is None or any(np.hypot(y - p.y, x - p.x) < 1.3 * (p.radius + radius) for p in white):
            continue
        rho, inside = blob(rng, window, y, x, radius, (0.15, 0.1, 0.08))
        grains = 0.55 + 0.35 * smooth_noise(rng, rho.shape, 0.25 / um_per_px)
        body = inside * np.clip(grains, 0.1, 1.2) * (1.1 - 0.7 * rho)
        density[window] += body[..., None] * as_vector(stain.tint) * as_vector((0.75, 1.0, 0.25))


def draw_white_cell(
    rng: np.random.Generator,
    density: Floats,
    labels: Labels,
    cell_id: int,
    place: Disc,
    recipe: Recipe,
    um_per_px: float,
    stain: Stain,
) -> None:
    """One white cell: cytoplasm, granules, nucleus with chromatin; it covers red cells, and earlier white cells cover it."""
    window = window_round(density, place.y, place.x, 1.3 * place.radius)
    assert window is not None
    rho, inside = blob(rng, window, place.y, place.x, place.radius, (0.035, 0.03, 0.02, 0.015, 0.01))
    inside = inside * (labels[window] == 0)
    labels[window][inside >= 0.5] = cell_id
    nucleus = _nucleus(rng, window, place, recipe, um_per_px) * inside
    size = rho.shape
    cloud = 1 + 0.10 * smooth_noise(rng, size, 0.8 / um_per_px) + 0.07 * smooth_noise(rng, size, 0.2 / um_per_px)
    body = (cloud * np.clip(0.85 + 0.2 * rho**3, 0, 1.05))[..., None] * as_vector(recipe.cytoplasm)
    grains = spots(rng, size, recipe.granule_um / um_per_px, recipe.granule_share)[..., None]
    body = body * (1 - grains) + grains * as_vector(recipe.granules)
    clumps = 1 - recipe.chromatin * np.clip(0.3 + 0.45 * smooth_noise(rng, size, 0.17 / um_per_px), 0, 0.8)
    rim = np.clip(4 * nucleus * (1 - nucleus), 0, 1)
    chromatin = (np.clip(clumps + 0.25 * rim, 0, 1.1))[..., None] * as_vector(recipe.nucleus)
    if recipe.granules_over_nucleus:
        chromatin = chromatin * (1 - 0.7 * grains) + 0.7 * grains * as_vector(recipe.granules)
    body = body * (1 - nucleus[..., None]) + chromatin * nucleus[..., None]
    body *= as_vector(stain.tint) * np.float32(stain.strength)
    density[window] += inside[..., None] * (body - density[window])


def _nucleus(rng: np.random.Generator, window: Window, place: Disc, recipe: Recipe, um_per_px: float) -> Floats:
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
    distance += 0.035 * place.radius * smooth_noise(rng, distance.shape, 0.9 / um_per_px)
    return np.asarray(np.clip(0.5 - distance * (um_per_px / 0.2), 0, 1), np.float32)
