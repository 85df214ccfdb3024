"""A new cell in a box."""

from __future__ import annotations

import numpy as np

from napari_wbc.cells import Box, Scale
from napari_wbc.config import Settings
from napari_wbc.pipeline import finish
from napari_wbc.review import outline_steps
from tests.fakes import FakeSegmenter


def test_the_cell_in_the_box_is_outlined_and_nothing_beside_it() -> None:
    pixels = np.full((100, 200, 3), (235, 225, 220), np.uint8)
    rows, columns = np.mgrid[:100, :200]
    discs = [(rows - 50) ** 2 + (columns - x) ** 2 < 20**2 for x in (60, 105)]
    for disc in discs:
        pixels[disc] = (90, 40, 170)
    box = Box(25, 35, 75, 84)
    mask = finish(
        outline_steps(pixels, np.zeros(pixels.shape[:2], np.int32), box, Scale(0.17, 1.0, "file"), FakeSegmenter(), Settings())
    )
    inside = discs[0]
    assert (mask & inside).sum() / (mask | inside).sum() > 0.9
    assert not (mask & discs[1]).any()


def test_where_nothing_is_found_an_ellipse_fills_the_box() -> None:
    pixels = np.full((60, 60, 3), 230, np.uint8)
    mask = finish(
        outline_steps(
            pixels, np.zeros((60, 60), np.int32), Box(10, 20, 30, 50), Scale(None, 0.6, "assumed"), FakeSegmenter(), Settings()
        )
    )
    where = np.argwhere(mask)
    assert (where.min(0) == (10, 20)).all()
    assert (where.max(0) == (29, 49)).all()
    assert abs(mask.sum() - np.pi * 10 * 15) < 20


def test_what_is_outlined_already_is_not_taken() -> None:
    pixels = np.full((80, 120, 3), (235, 225, 220), np.uint8)
    rows, columns = np.mgrid[:80, :120]
    large, small = ((rows - 40) ** 2 + (columns - x) ** 2 < r**2 for x, r in ((35, 25), (85, 15)))
    pixels[large | small] = (90, 40, 170)
    box = Box(10, 15, 70, 105)
    scale = Scale(0.17, 1.0, "file")
    mask = finish(outline_steps(pixels, large.astype(np.int32), box, scale, FakeSegmenter(), Settings()))
    assert (mask & small).sum() / (mask | small).sum() > 0.8
