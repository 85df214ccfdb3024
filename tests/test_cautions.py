"""What a report warns of: each warning on its own side of its threshold."""

from __future__ import annotations

import pytest

from napari_wbc.exchange.cautions import cautions
from tests.test_report import done, failed, make_summary


def test_nothing_to_warn_of() -> None:
    assert cautions(make_summary([done("s/a.png", domain_ok=True)], {("s", "monocyte", True): 100})) == []


def test_cells_that_nobody_has_looked_at() -> None:
    cells = {("s", "monocyte", True): 98, ("s", "neutrophil", False): 2, ("s", "smudge", False): 1}
    assert cautions(make_summary([done("s/a.png")], cells)) == ["No person has looked at 3 of 101 cells."]


def test_few_cells_in_all_or_on_some_slides() -> None:
    images = [done("s/a.png"), done("t/a.png"), done("u/a.png")]
    [all_few] = cautions(make_summary(images, {("s", "monocyte", True): 90, ("t", "blast", True): 9, ("u", "smudge", True): 9}))
    assert all_few.startswith("Few cells: only 99 are counted in all, fewer than 100,")
    [some_few] = cautions(make_summary(images, {("s", "monocyte", True): 100, ("t", "blast", True): 99}))
    assert some_few.startswith("Few cells: 2 of 3 slides have fewer than 100 counted,")


@pytest.mark.parametrize(("n", "warned"), [(5, False), (6, True)])
def test_many_cells_without_a_name(n: int, warned: bool) -> None:
    cells = {
        ("s", "monocyte", True): 100 - n,
        ("s", "blast", True): 5,
        ("s", "unidentified", True): n,
        ("s", "artefact", True): 50,
    }
    found = [text for text in cautions(make_summary([done("s/a.png")], cells)) if "unidentified" in text]
    assert found == (["Many cells have no name: 6 of 105 (5.7 %) are unidentified and not counted."] if warned else [])


def test_strange_images_with_their_reasons_and_in_how_many_they_are() -> None:
    paler = "a paler stain (0.3, usual 0.5 to 1.4)"
    images = [
        done("s/a.png", domain_ok=False, domain_reason=f"{paler}; more blur (1.1 µm, usual 0.2 to 0.7)"),
        done("s/b.png", domain_ok=False, domain_reason=paler.replace("0.3", "0.2")),
        done("s/c.png", domain_ok=True),
        done("s/d.png", domain_ok=False, domain_reason="over-exposed cells (1 of their pixels, usual at most 0.1)"),
    ]
    assert cautions(make_summary(images, {("s", "monocyte", True): 100})) == [
        "3 of 4 images are unlike those that the segmenter was trained on, so expect more errors: "
        "a paler stain (2), more blur (1), over-exposed cells (1)."
    ]


def test_reasons_are_bounded() -> None:
    images = [done(f"s/{i:03}.png", domain_ok=False, domain_reason=f"reason {i:03}") for i in range(500)]
    [text] = cautions(make_summary(images, {("s", "monocyte", True): 100}))
    assert text.count("reason") == 12


def test_an_assumed_pixel_size_and_failed_images() -> None:
    images = [done("s/a.png", scale_source="assumed"), failed("s/b.png", "empty"), failed("s/c.png", "empty")]
    assert cautions(make_summary(images, {("s", "monocyte", True): 100})) == [
        "The pixel size of 1 image is only assumed: there are no sizes in µm, and cells may have been missed.",
        "2 images could not be analysed; the reasons stand below.",
    ]
