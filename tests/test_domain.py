"""An image is told to be strange by size, stain, focus or clipping, against the source that it is most like."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_wbc.cells import Domain, Labels, RgbImage
from napari_wbc.domain import WORDS, Numbers, doubt_pixel_size, find_ranges, judge, measure_domain
from napari_wbc.synthetic import draw_field

UM_PER_PX = 0.19
GLASS, NUCLEUS, CYTOPLASM = (240, 230, 235), (90, 50, 140), (180, 170, 210)


def painted(radius: int = 30, at: tuple[int, int] = (60, 80)) -> tuple[RgbImage, Labels]:
    """One cell, half of its area nucleus, on empty glass."""
    y, x = np.ogrid[:120, :160]
    distance = np.hypot(y - at[0], x - at[1])
    image = np.full((120, 160, 3), GLASS, dtype=np.uint8)
    image[distance <= radius] = CYTOPLASM
    image[distance <= radius * np.sqrt(0.5)] = NUCLEUS
    return image, (distance <= radius).astype(np.int32)


def measured(image: RgbImage, labels: Labels) -> Numbers:
    return measure_domain(image, labels, UM_PER_PX)


def drawn(seed: int) -> tuple[RgbImage, Labels]:
    field = draw_field(np.random.default_rng(seed), shape=(240, 320), um_per_px=UM_PER_PX, n_cells=2)
    return field.image, field.labels


KNOWN = {"drawn": find_ranges([measured(*drawn(seed)) for seed in range(8)])}
SAMPLE = drawn(100)


def test_both_ends_of_a_range_are_usual() -> None:
    for background in (200.0, 240.0):
        assert judge(Numbers(background, 0, 0), {"lab": {"background": (200.0, 240.0)}}).ok
    assert not judge(Numbers(240.1, 0, 0), {"lab": {"background": (200.0, 240.0)}}).ok


def test_the_background_is_the_glass_between_the_red_cells() -> None:
    image, labels = painted()
    image[:, :40] = (210, 150, 160)
    assert measured(image, labels).background == pytest.approx(np.mean(GLASS))


# -- the numbers -------------------------------------------------------------------------------------------------------


def test_the_numbers_of_a_painted_cell() -> None:
    numbers = measured(*painted())
    assert numbers.background == pytest.approx(np.mean(GLASS))
    assert numbers.background_warmth == pytest.approx(np.log(241 / 236))
    assert numbers.background_green == pytest.approx(np.log(231 / np.sqrt(241 * 236)))
    assert numbers.cell_diameter_um == pytest.approx(60 * UM_PER_PX, rel=0.02)
    red, green, blue = (np.log((g + 1) / (n + 1)) for g, n in zip(GLASS, NUCLEUS, strict=True))
    assert numbers.nucleus_density == pytest.approx(green)
    assert numbers.nucleus_blueness == pytest.approx((red + 0.1) / (green + 0.1))
    assert numbers.nucleus_yellowness == pytest.approx((blue + 0.1) / (green + 0.1))
    assert numbers.cytoplasm_density == pytest.approx(np.log(231 / 171))
    assert (numbers.overexposed, numbers.underexposed) == (0, 0)


def test_without_cells_only_the_background_and_the_focus_are_measured() -> None:
    image, labels = painted()
    numbers = dataclasses.asdict(measured(image, np.zeros_like(labels)))
    assert {name for name, value in numbers.items() if value is not None} == {
        "background", "background_warmth", "background_green", "detail_um",
    }  # fmt: skip


def test_of_an_even_image_no_focus() -> None:
    assert measured(np.full((50, 60, 3), 200, np.uint8), np.zeros((50, 60), np.int32)).detail_um is None


@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (4, 5), (5, 5)])
@pytest.mark.parametrize("label", [-1, 0, 1])
def test_the_smallest_images(shape: tuple[int, int], label: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    numbers = measured(image, np.full(shape, label, np.int32))
    assert all(value is None or np.isfinite(value) for value in dataclasses.astuple(numbers))


def test_a_cell_that_the_border_cuts_has_no_size() -> None:
    assert measured(*painted(at=(10, 80))).cell_diameter_um is None
    assert measured(*painted(at=(10, 80))).nucleus_density is not None


def test_the_shares_of_clipped_pixels_are_of_the_cells_alone() -> None:
    image, labels = painted()
    image[labels == 0] = 255
    assert measured(image, labels).overexposed == 0
    image[:, :80] = 255
    assert measured(image, labels).overexposed == pytest.approx(0.5, abs=0.02)
    image[:, :80] = 0
    assert measured(image, labels).underexposed == pytest.approx(0.5, abs=0.02)


def test_detail_grows_with_blur_and_is_a_length() -> None:
    image, labels = SAMPLE
    sizes = [measured(ndimage.gaussian_filter(image, (s, s, 0)), labels).detail_um or 0.0 for s in (0, 1, 2, 3)]
    assert sizes == sorted(sizes)
    double = measure_domain(image, labels, 2 * UM_PER_PX).detail_um
    assert double == pytest.approx(2 * sizes[0], rel=0.1)


# -- the judgement -----------------------------------------------------------------------------------------------------


def test_an_image_of_the_same_source_is_not_strange() -> None:
    assert judge(measured(*SAMPLE), KNOWN) == Domain(True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda i: ndimage.gaussian_filter(i, (3, 3, 0)), "more blur"),
        (lambda i: i[..., ::-1], "a redder stain of the nuclei"),
        (lambda i: np.clip(i * 2.5, 0, 255).astype(np.uint8), "over-exposed cells"),
        (lambda i: (i * 0.5).astype(np.uint8), "a darker background"),
        (lambda i: np.maximum(i, 150), "a paler stain"),
    ],
    ids=["blur", "red and blue swapped", "over-exposed", "dark", "pale"],
)
def test_what_makes_an_image_strange_is_told(change: object, reason: str) -> None:
    image, labels = SAMPLE
    assert callable(change)
    found = judge(measured(np.ascontiguousarray(change(image)), labels), KNOWN)
    assert not found.ok
    assert reason in found.reason


def test_the_reason_names_number_unit_and_range() -> None:
    numbers = dataclasses.replace(measured(*SAMPLE), cell_diameter_um=39.2, overexposed=0.5)
    known = {"lab": {"cell_diameter_um": (7.0, 20.0), "overexposed": (-0.1, 0.1)}}
    assert judge(numbers, known).reason == (
        "larger cells, or a wrong pixel size (39 µm, usual 7 to 20); over-exposed cells (0.5 of their pixels, usual at most 0.1)"
    )


def test_an_image_is_compared_with_the_source_that_it_is_most_like() -> None:
    numbers = dataclasses.replace(measured(*SAMPLE), background=200.0, background_warmth=0.0)
    dark = {"background": (50.0, 100.0), "background_warmth": (1.0, 2.0)}
    bright = {"background": (210.0, 220.0), "background_warmth": (-1.0, 1.0)}
    assert judge(numbers, {"dark": dark, "bright": bright}).reason == "a darker background (200 of 255, usual 210 to 220)"
    assert not judge(numbers, {"a": {"background": (0.0, 300.0), "background_warmth": (1.0, 2.0)}, "b": bright}).ok
    assert judge(numbers, {"bright": bright, "any": {"background": (0.0, 255.0)}}).ok


def test_what_is_not_measured_or_not_known_is_not_judged() -> None:
    numbers = Numbers(background=200, background_warmth=0, background_green=0)
    assert judge(numbers, {"lab": {"cell_diameter_um": (7.0, 20.0), "a number of tomorrow": (0.0, 1.0)}}).ok


def test_ranges_leave_out_half_a_percent_and_are_widened_by_a_quarter() -> None:
    numbers = [dataclasses.replace(measured(*SAMPLE), background=v) for v in np.linspace(100, 200, 201)]
    low, high = find_ranges(numbers)["background"]
    assert (low, high) == pytest.approx((100.5 - 24.75, 199.5 + 24.75))


def test_one_image_gives_ranges_of_the_least_width() -> None:
    numbers = measured(*SAMPLE)
    for name, (low, high) in find_ranges([numbers]).items():
        assert (low + high) / 2 == pytest.approx(getattr(numbers, name), abs=2e-3)
        assert high - low == pytest.approx(2 * WORDS[name].margin, abs=2e-3)


@given(st.lists(st.floats(0, 255), min_size=1, max_size=30))
def test_nearly_all_images_lie_in_their_own_ranges(values: list[float]) -> None:
    numbers = [Numbers(background=value, background_warmth=0, background_green=0) for value in values]
    known = {"lab": find_ranges(numbers)}
    assert sum(not judge(each, known).ok for each in numbers) <= 2


def test_every_number_has_words() -> None:
    assert set(WORDS) == {field.name for field in dataclasses.fields(Numbers)}


# -- the pixel size ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("um_per_px", "red_cell_px", "ok"), [
    (0.1, 75.0, True), (0.1, 50.0, True), (0.1, 110.0, True), (0.1, 49.0, False), (0.1, 112.0, False), (0.3, None, True),
])  # fmt: skip
def test_a_pixel_size_is_doubted_by_the_red_cells(um_per_px: float, red_cell_px: float | None, ok: bool) -> None:
    assert doubt_pixel_size(Domain(True), um_per_px, red_cell_px).ok is ok


def test_the_doubt_says_both_and_keeps_the_other_reasons() -> None:
    doubted = doubt_pixel_size(Domain(False, "more blur"), 0.3, 75.0)
    assert doubted.reason == "a pixel size of 0.3 µm, with which red cells would be 22 µm wide; more blur"
