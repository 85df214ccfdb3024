"""Masks ⇄ polygons on the edges of pixels: the top left corner of pixel (0, 0) is the point (0, 0), y points down.

The area of a polygon is that of its pixels. Filling goes by the even-odd rule on the centres of pixels, so that holes need no
mark, and every mask comes back as it was. Neither scikit-image nor OpenCV follows the edges of pixels; shapely's union of the
rows of a cell does, but takes about twice as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..cells import Box, Mask
from .budget import Budget

Ring: TypeAlias = list[tuple[int, int]]
"""Corners (x, y) of a closed line, px; the first is not repeated."""
Polygon: TypeAlias = list[Ring]
"""An outer ring, then the rings of its holes. Outer rings run clockwise on the screen, holes the other way."""

_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""(x, y) of one step east, south, west, north: a turn to the right is the next."""


def polygons(mask: Mask, box: Box) -> list[Polygon]:
    """The outline of one cell, valid in the sense of OGC's Simple Features: rings are simple and touch in points only.

    Parameters
    ----------
    mask
        (h, w) bool, the pixels of the cell in its box.
    box
        Where the mask lies in the image.

    Returns
    -------
    One polygon for each piece that hangs together by the edges of pixels.
    """
    pieces, n_pieces = ndimage.label(mask)
    found: list[Polygon] = [[] for _ in range(n_pieces)]
    for ring in sorted(_rings(mask), key=_twice_area, reverse=True):  # outer rings have positive areas
        found[_piece_beside(ring, pieces) - 1].append([(x + box.x0, y + box.y0) for x, y in _corners(ring)])
    return found


def fill(rings: Iterable[npt.ArrayLike], budget: Budget) -> tuple[Mask, Box] | None:
    """The pixels whose centres lie inside an odd number of rings.

    Parameters
    ----------
    rings
        (N, 2) corners (x, y) each, px; closed or not; they may leave the image.
    budget
        Of the image: its shape, and what the outline is taken from.

    Returns
    -------
    (h, w) bool and its box, or None where no pixel is inside.

    Raises
    ------
    ValueError
        If a ring is not a list of pairs of finite numbers.
    ResultsError
        If the budget has no more left.
    """
    lines = [_as_points(ring) for ring in rings]
    starts = np.concatenate([np.zeros((0, 2)), *lines])
    ends = np.concatenate([np.zeros((0, 2)), *(np.roll(line, -1, axis=0) for line in lines)])
    if not len(starts):
        return None
    height, width = budget.shape
    (left, top), (right, bottom) = starts.min(axis=0), starts.max(axis=0)
    y0, y1 = int(np.clip(np.ceil(top - 0.5), 0, height)), int(np.clip(np.ceil(bottom - 0.5), 0, height))
    x0, x1 = int(np.clip(np.ceil(left - 0.5), 0, width)), int(np.clip(np.ceil(right - 0.5), 0, width))
    if y1 <= y0 or x1 <= x0:
        return None
    first, counts = _rows_crossed(starts, ends, y0, y1)
    budget.take(Box(y0, x0, y1, x1), int(counts.sum()))
    rows, crossings = _crossings(starts, ends, first, counts)
    columns = np.clip(np.ceil(crossings - 0.5), x0, x1).astype(np.int64) - x0  # the first centre to the right
    flips = np.bincount((rows - y0) * (x1 - x0 + 1) + columns, minlength=(y1 - y0) * (x1 - x0 + 1)).reshape(y1 - y0, -1)
    return trim(np.cumsum(flips, axis=1)[:, :-1] % 2 == 1, Box(y0, x0, y1, x1))


def trim(mask: Mask, box: Box) -> tuple[Mask, Box] | None:
    """The mask without empty rows and columns at its sides, and its box; None where it is empty."""
    inside = Box.around(mask)
    if inside is None:
        return None
    y, x = box.y0, box.x0
    return mask[inside.slices], Box(y + inside.y0, x + inside.x0, y + inside.y1, x + inside.x1)


def _rows_crossed(
    starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], y0: int, y1: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first of the rows y0..y1-1 whose middle each edge (N, 2) crosses, and of how many it does."""
    upper, lower = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    first = np.clip(np.ceil(upper - 0.5), y0, y1).astype(np.int64)
    return first, np.clip(np.ceil(lower - 0.5), y0, y1).astype(np.int64) - first


def _crossings(
    starts: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    first: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Where edges (N, 2) cross the middles of `counts` rows from the `first`: the row and x of each crossing."""
    edges = np.repeat(np.arange(len(starts)), counts)
    rows = np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edges]
    (start_x, start_y), (end_x, end_y) = starts[edges].T, ends[edges].T
    return rows, start_x + (rows + 0.5 - start_y) * (end_x - start_x) / (end_y - start_y)


def _as_points(ring: npt.ArrayLike) -> npt.NDArray[np.float64]:
    points = np.asarray(ring, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] < 2 or not np.isfinite(points).all():
        raise ValueError("the corners of an outline should be pairs of finite numbers")
    return np.clip(points[:, :2], -1e9, 1e9)


def _rings(mask: Mask) -> list[Ring]:
    """The edges of the pixels of a mask (h, w) as simple rings of unit steps, the mask to the right of each step."""
    inside = np.pad(mask, 1)
    centre = inside[1:-1, 1:-1]
    sides = ((inside[:-2, 1:-1], 0, 0), (inside[1:-1, 2:], 1, 0), (inside[2:, 1:-1], 1, 1), (inside[1:-1, :-2], 0, 1))
    steps: dict[tuple[int, int], list[int]] = {}
    for direction, (beyond, dx, dy) in enumerate(sides):
        for y, x in np.argwhere(centre & ~beyond).tolist():
            steps.setdefault((x + dx, y + dy), []).append(direction)
    found = []
    while steps:
        found += _walk(steps)
    return found


def _walk(steps: dict[tuple[int, int], list[int]]) -> list[Ring]:
    """Take the steps from one point until it is reached again; a point that is met twice closes a ring of its own."""
    point, direction = next(iter(steps)), 0
    path: Ring = []
    met: dict[tuple[int, int], int] = {}
    found = []
    while True:
        if point in met:
            found.append(path[met[point] :])
            for passed in found[-1]:
                del met[passed]
            del path[-len(found[-1]) :]
        if point not in steps:
            return found
        ways = steps[point]
        right = (direction + 1) % 4  # where two pixels meet in a corner, keep to the same one
        direction = ways.pop(ways.index(right) if right in ways else 0)
        if not ways:
            del steps[point]
        met[point] = len(path)
        path.append(point)
        point = (point[0] + _STEPS[direction][0], point[1] + _STEPS[direction][1])


def _twice_area(ring: Ring) -> int:
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True))


def _piece_beside(ring: Ring, pieces: npt.NDArray[Any]) -> int:
    """The number of the piece to the right of a ring's first step."""
    (x0, y0), (x1, y1) = ring[0], ring[1]
    return int(pieces[(y0 + y1 + x1 - x0 - 1) // 2, (x0 + x1 - y1 + y0 - 1) // 2])


def _corners(ring: Ring) -> Ring:
    """The ring without the points at which it goes straight on."""
    around = zip([ring[-1], *ring[:-1]], ring, [*ring[1:], ring[0]], strict=True)
    return [here for (x0, y0), here, (x1, y1) in around if x0 != x1 and y0 != y1]
