"""The nucleus is the darker of two parts of a cell; a cell of one part is all nucleus."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_wbc.nucleus import nucleus, nucleus_areas_px

YY, XX = np.mgrid[:61, :61]
CELL = np.hypot(YY - 30, XX - 30) <= 28
INNER = np.hypot(YY - 32, XX - 27) <= 15


def painted(inner: np.ndarray, dark: int = 60, pale: int = 150, outside: int = 220) -> np.ndarray:
    pixels = np.full((61, 61, 3), outside, dtype=np.uint8)
    pixels[CELL] = pale
    pixels[inner] = dark
    return pixels


def disagreement(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.count_nonzero(found ^ expected) / np.count_nonzero(expected))


def test_a_dark_disc_in_a_pale_cell_is_its_nucleus() -> None:
    assert disagreement(nucleus(painted(INNER), CELL), INNER) < 0.05


def test_what_is_not_of_the_cell_is_never_of_its_nucleus() -> None:
    cell = CELL.copy()
    cell[31:34, 26:29] = False
    found = nucleus(painted(INNER), cell)
    assert disagreement(found, INNER & cell) < 0.05
    assert not found[~cell].any()


def test_lobes_are_found_apart() -> None:
    lobes = (np.hypot(YY - 20, XX - 25) <= 8) | (np.hypot(YY - 40, XX - 38) <= 8)
    assert disagreement(nucleus(painted(lobes), CELL), lobes) < 0.05


def test_noise_does_not_matter() -> None:
    noise = np.random.default_rng(0).normal(0, 8, (61, 61, 1))
    noisy = np.clip(painted(INNER) + noise, 0, 255).astype(np.uint8)
    assert disagreement(nucleus(noisy, CELL), INNER) < 0.05


@pytest.mark.parametrize("outside", [0, 255])
def test_what_surrounds_the_cell_does_not_matter(outside: int) -> None:
    assert_array_equal(nucleus(painted(INNER, outside=outside), CELL), nucleus(painted(INNER), CELL))
    assert not nucleus(painted(INNER, outside=outside), CELL)[~CELL].any()


@pytest.mark.parametrize(("contrast", "all_nucleus"), [(0, True), (8, True), (30, False)])
def test_a_cell_without_contrast_is_all_nucleus(contrast: int, all_nucleus: bool) -> None:
    found = nucleus(painted(INNER, dark=100, pale=100 + contrast), CELL)
    assert bool((found == CELL).all()) is all_nucleus


def coloured(nucleus: tuple[int, int, int], cytoplasm: tuple[int, int, int]) -> np.ndarray:
    pixels = np.full((61, 61, 3), 230, dtype=np.uint8)
    pixels[CELL] = cytoplasm
    pixels[INNER] = nucleus
    return pixels


@pytest.mark.parametrize(
    "cytoplasm",
    [(200, 100, 150), (110, 150, 210), (200, 170, 200), (200, 190, 110)],
    ids=["red granules as dark in green", "blue as dark in red", "pale", "yellow"],
)
def test_red_and_green_together_tell_the_nucleus_from_any_cytoplasm(cytoplasm: tuple[int, int, int]) -> None:
    assert disagreement(nucleus(coloured((110, 100, 180), cytoplasm), CELL), INNER) < 0.05


def test_the_blue_channel_says_nothing() -> None:
    assert_array_equal(nucleus(coloured((120, 100, 20), (120, 100, 200)), CELL), CELL)


def test_the_contrast_counts_in_shares_of_the_brightness() -> None:
    dim = (painted(INNER, dark=100, pale=130) * 0.2).astype(np.uint8)
    assert disagreement(nucleus(dim, CELL), INNER) < 0.05


def test_granules_are_no_nucleus_and_pale_chromatin_is_no_cytoplasm() -> None:
    pixels = painted(INNER)
    pixels[np.hypot(YY - 8, XX - 38) <= 2] = 60
    pixels[np.hypot(YY - 32, XX - 27) <= 2] = 150
    assert disagreement(nucleus(pixels, CELL), INNER) < 0.05
    assert not nucleus(pixels, CELL)[8, 38]
    assert nucleus(pixels, CELL)[32, 27]


def test_the_middle_of_a_ring_stays_cytoplasm() -> None:
    ring = INNER & (np.hypot(YY - 32, XX - 27) >= 7)
    found = nucleus(painted(ring), CELL)
    assert not found[32, 27]
    assert disagreement(found, ring) < 0.1


def test_a_rim_of_glass_inside_the_outline_does_not_matter() -> None:
    outline = np.hypot(YY - 30, XX - 30) <= 28.6
    assert disagreement(nucleus(painted(INNER, dark=60, pale=110, outside=250), outline), INNER) < 0.08


def test_a_cell_of_no_pixel_or_one() -> None:
    dot = np.zeros((61, 61), dtype=bool)
    assert not nucleus(painted(INNER), dot).any()
    dot[5, 5] = True
    assert_array_equal(nucleus(painted(INNER), dot), dot)


@pytest.mark.parametrize(("times", "rel"), [(1, 0), (4, 0.01), (9, 0.01)])
def test_the_nucleus_of_a_large_cell_is_measured_on_fewer_pixels(times: int, rel: float) -> None:
    pixels, cell = (
        np.kron(part, np.ones((times, times, *(1,) * (part.ndim - 2)), part.dtype)) for part in (painted(INNER), CELL)
    )
    areas = nucleus_areas_px(pixels, cell.astype(np.int32))
    assert areas == {1: pytest.approx(np.count_nonzero(nucleus(pixels, cell)), rel=rel)}
    assert areas[1] == pytest.approx(times**2 * np.count_nonzero(INNER), rel=0.05)
