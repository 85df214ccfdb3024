"""Windows cover an image, their inner boxes once; stitching what they saw gives the image back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from napari_wbc.cells import Box
from napari_wbc.tiling import HALO_PX, TILE_PX, Window, stitch, windows

SIDES = st.integers(1, 200)
TILES = st.integers(2, 40).flatmap(lambda tile: st.tuples(st.just(tile), st.integers(0, (tile - 1) // 2)))


@given(SIDES, SIDES, TILES)
def test_inner_boxes_tile_the_image_without_overlap(height: int, width: int, tile: tuple[int, int]) -> None:
    seen = np.zeros((height, width), dtype=int)
    for window in windows((height, width), *tile):
        assert window.inner.height > 0
        assert window.inner.width > 0
        seen[window.inner.slices] += 1
    assert np.all(seen == 1)


@given(SIDES, SIDES, TILES)
def test_all_windows_have_one_shape_inside_the_image_and_see_a_halo(height: int, width: int, tile: tuple[int, int]) -> None:
    tile_px, halo_px = tile
    found = windows((height, width), tile_px, halo_px)
    assert {(w.outer.height, w.outer.width) for w in found} == {(min(height, tile_px), min(width, tile_px))}
    for outer, inner in ((w.outer, w.inner) for w in found):
        assert outer.y0 == 0 or inner.y0 - outer.y0 >= halo_px
        assert outer.x0 == 0 or inner.x0 - outer.x0 >= halo_px
        assert outer.y1 == height or outer.y1 - inner.y1 >= halo_px
        assert outer.x1 == width or outer.x1 - inner.x1 >= halo_px
        assert 0 <= outer.y0 <= inner.y0 < inner.y1 <= outer.y1 <= height
        assert 0 <= outer.x0 <= inner.x0 < inner.x1 <= outer.x1 <= width


@given(SIDES, SIDES, TILES)
def test_stitching_the_windows_of_an_array_gives_the_array(height: int, width: int, tile: tuple[int, int]) -> None:
    whole = np.random.default_rng(height).random((2, height, width), dtype=np.float32)
    tiles = windows((height, width), *tile)
    parts = [whole[:, w.outer.slices[0], w.outer.slices[1]] for w in tiles]
    assert_array_equal(stitch(parts, tiles, (height, width)), whole)


def test_only_the_inner_boxes_are_kept() -> None:
    tiles = windows((10, 70), 40, 8)
    parts = [np.full((1, 10, 40), i, dtype=np.float32) for i in range(len(tiles))]
    stitched = stitch(parts, tiles, (10, 70))
    for i, tile in enumerate(tiles):
        assert np.all(stitched[0][tile.inner.slices] == i)


def test_a_small_image_is_one_window() -> None:
    box = Box(0, 0, TILE_PX, 300)
    assert windows((TILE_PX, 300)) == [Window(box, box)]
    assert len(windows((TILE_PX + 1, 300))) == 2


@pytest.mark.parametrize(("side", "count"), [(TILE_PX, 1), (2 * TILE_PX - 2 * HALO_PX, 2), (2 * TILE_PX - 2 * HALO_PX + 1, 3)])
def test_there_are_no_more_windows_than_the_halo_needs(side: int, count: int) -> None:
    assert len(windows((side, 10))) == count


def test_parts_and_windows_must_be_as_many() -> None:
    tiles = windows((10, 70), 40, 8)
    with pytest.raises(ValueError, match="zip"):
        stitch([np.zeros((1, 10, 40), dtype=np.float32)], tiles, (10, 70))
