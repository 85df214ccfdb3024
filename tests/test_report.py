"""The report: what it says, that it asks for nothing from elsewhere, and that no name can run in it."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from napari_wbc.cells import Box, Cell
from napari_wbc.config import TYPE_COLOURS, USER_TYPE_COLOUR, Settings
from napari_wbc.differential import differential
from napari_wbc.exchange.gallery import Gallery, Picture, TypePictures
from napari_wbc.exchange.report import MOST_LISTED, render, write_report
from napari_wbc.results.least_certain import Example
from napari_wbc.results.record import ImageRow
from napari_wbc.results.runfile import Model, RunFile
from napari_wbc.results.summary import Summary

EVIL = '<script>alert("1")</script>&\'=x'


def make_run(**values: object) -> RunFile:
    plain = RunFile(
        version="9.9.9",
        settings=Settings(um_per_px=0.25).model_dump(),
        segmenter=Model(name="the segmenter", identity="5e9" * 4),
        classifier=Model(name="the classifier", identity="c1a" * 4),
        input_root="../smears",
        device="cuda:0",
        host="lab",
        started_at="2026-01-02T03:04:05Z",
    )
    return plain.model_copy(update=values)


def make_summary(images: list[ImageRow], cells: dict[tuple[str, str, bool], int]) -> Summary:
    return Summary(
        tuple(images), tuple(differential(cells, {row.slide for row in images if row.status == "done"})), sum(cells.values())
    )


def done(image: str, **values: object) -> ImageRow:
    row = ImageRow(
        image=image, slide=image.rpartition("/")[0] or ".", status="done", scale_source="file", analysis_scale=0.5, n_cells=1
    )
    return row.model_copy(update=values)


def pictures(cell_type: str = "monocyte", image: str = "s1/a.png") -> Gallery:
    """A gallery of one picture, not a real JPEG."""
    cell = Cell(7, Box(1, 2, 11, 12), 7.0, 6.0, 80, False, cell_type=cell_type, margin=0.125)
    return Gallery(
        (TypePictures(cell_type, 5, (Picture(Example(image, cell, False), "lymphocyte", "/9j/abc+"),)),), n_missing=2
    )


def failed(image: str, error: str) -> ImageRow:
    return ImageRow(image=image, slide=image.rpartition("/")[0] or ".", status="failed", error=error)


class Page(HTMLParser):
    """The tags, attributes and text of a page; fails where tags do not match."""

    EMPTY = frozenset({"meta", "br", "rect", "line", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.rects: list[dict[str, str | None]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "rect":
            self.rects.append(dict(attrs))
        if tag not in self.EMPTY:
            self.stack.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.EMPTY
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.stack:
            self.text = " ".join(f"{self.text} {data}".split())
        if self.rows and {"td", "th"} & set(self.stack):
            self.rows[-1][-1] = " ".join(f"{self.rows[-1][-1]} {data}".split())


@pytest.fixture
def page() -> Page:
    cells = {("s1", "neutrophil", False): 6, ("s1", "monocyte", True): 2, ("s1", "blast", True): 2, ("s1", "smudge", False): 1}
    images = [
        done("s1/a.png"),
        done("s1/b.png", domain_ok=False, domain_reason="stain: pale"),
        failed("s2/c.png", "the file is empty"),
    ]
    return Page(render(make_run(kept=("s1/k.png",)), make_summary(images, cells), pictures()))


def test_the_differential_is_there_with_its_intervals(page: Page) -> None:
    rows = {row[0]: row[1:5] for row in page.rows if len(row) == 6}
    assert rows["neutrophil"] == ["6", "60.0", "26.2–87.8", "6"]
    assert rows["monocyte"] == ["2", "20.0", "2.5–55.6", "0"]
    assert rows["blast"] == ["2", "20.0", "2.5–55.6", "0"]
    assert rows["smudge"] == ["1", "–", "–", "1"]


def test_bars_are_as_long_as_the_shares_in_the_fixed_colours(page: Page) -> None:
    bars = [(rect["width"], rect["fill"]) for rect in page.rects if rect["width"] != "100%"]
    assert ("60.0%", TYPE_COLOURS["neutrophil"]) in bars
    assert ("20.0%", TYPE_COLOURS["monocyte"]) in bars
    assert ("20.0%", USER_TYPE_COLOUR) in bars
    assert len(bars) == 2 * 6, "the five and the user's type, pooled and on the one slide that has cells"


def test_the_whiskers_are_the_intervals(page: Page) -> None:
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert labels.count("neutrophil: 60.0 percent, interval 26.2 to 87.8") == 2
    lines = [(tag, name, value) for tag, name, value in page.attributes if tag == "line" and name == "x2"]
    assert lines.count(("line", "x2", "87.8%")) == 2 * 2 * 2, "halo and whisker, its line and its end, pooled and by slide"


def test_it_says_what_it_is_and_how_it_was_made(page: Page) -> None:
    text = render(
        make_run(), make_summary([done("a.png"), done("b.png", scale_source="assumed")], {(".", "monocyte", False): 3})
    )
    assert "Research use only" in text
    assert "for a person to verify" in text
    assert "No person has looked at 3 of 3 cells." in text
    facts = {row[0]: row[1] for row in Page(text).rows if len(row) == 2}
    assert facts["Program"] == "napari-wbc 9.9.9"
    assert facts["Finds cells"] == f"the segmenter SHA-256 {'5e9' * 4}"
    assert (facts["Device"], facts["Host"]) == ("cuda:0", "lab, 1 worker")
    assert facts["Pixel size"] == "assumed, so without sizes in µm: 1 image · from the file: 1 image"
    assert "um_per_px: 0.25 µm/px" in facts["Settings"]


def test_failed_strange_and_kept_images_are_listed_with_their_reasons(page: Page) -> None:
    assert ["s2/c.png", "the file is empty"] in page.rows
    assert ["s1/b.png", "stain: pale"] in page.rows
    text = render(make_run(kept=("s1/k.png",)), make_summary([done("a.png")], {}))
    assert "s1/k.png" in text
    slides = {row[0]: row[1:] for row in page.rows if row[0] in ("s1", "s2")}
    assert slides["s1"][:5] == ["2", "0", "1", "10", "1"], "done, failed, unlike, counted, not counted"
    assert slides["s1"][5:] == [
        "0 · 0.0 % 0.0–30.8",
        "0 · 0.0 % 0.0–30.8",
        "0 · 0.0 % 0.0–30.8",
        "2 · 20.0 % 2.5–55.6",
        "6 · 60.0 % 26.2–87.8",
        "2 · 20.0 % 2.5–55.6",
    ]
    assert slides["s2"] == ["0", "1", "0", "0", "0", "no image could be analysed"]


def test_long_lists_are_cut_short() -> None:
    images = [failed(f"s{i}/a.png", "x" * 9000) for i in range(MOST_LISTED + 23)]
    images += [done(f"s{i}/b.png", domain_ok=False, domain_reason="y" * 9000) for i in range(MOST_LISTED + 23)]
    images.sort(key=lambda row: row.image)
    text = render(make_run(kept=tuple(f"{i}.png" for i in range(MOST_LISTED + 23))), make_summary(images, {}))
    assert text.count("… and 23 more, in images.csv.") == 2
    assert text.count("… and 23 more, in differential.csv.") == 1
    assert text.count("… and 23 more, in run.json.") == 1
    assert len(text) < 500_000


def test_small_shares_are_not_called_none() -> None:
    cells = {("s", "lymphocyte", False): 9999, ("s", "neutrophil", False): 1}
    rows = {row[0]: row[1:4] for row in Page(render(make_run(), make_summary([done("s/a.png")], cells))).rows if len(row) == 6}
    assert rows["monocyte"] == ["0", "0.0", "0.0–0.04"]
    assert rows["neutrophil"] == ["1", "0.01", "0.00–0.1"]
    assert rows["lymphocyte"] == ["9999", "99.99", "99.9–100.00"]


def test_a_folder_without_cells_or_without_a_done_image_has_a_report() -> None:
    for images in ([done("a.png")], [failed("a.png", "broken")]):
        rows = {row[0]: row[1:5] for row in Page(render(make_run(), make_summary(images, {}))).rows if len(row) == 6}
        assert rows["monocyte"] == ["0", "–", "–", "0"]


def test_no_name_can_run() -> None:
    images = [
        done(f"{EVIL}/a.png", domain_ok=False, domain_reason=EVIL),
        failed(f"{EVIL}/b.png", EVIL),
    ]
    run = make_run(
        host=EVIL, input_root=EVIL, device=EVIL, kept=(EVIL,), segmenter=Model(name=EVIL, identity=EVIL), settings={EVIL: EVIL}
    )
    page = Page(render(run, make_summary(images, {(f"{EVIL}", EVIL, False): 1}), pictures(EVIL, f"{EVIL}/a{EVIL}.png")))
    assert page.tags["script"] == 0
    assert ("img", "alt", EVIL) in page.attributes
    assert ("figure", "title", f"{EVIL}/a{EVIL}.png, cell 7") in page.attributes
    assert not [a for a in page.attributes if a[1].startswith("on")]
    assert [EVIL + "/b.png", EVIL] in page.rows


def test_it_asks_for_nothing_from_elsewhere(page: Page) -> None:
    assert not page.tags.keys() & {"link", "script", "iframe", "object", "a"}
    assert not {name for _, name, _ in page.attributes} & {"href", "srcset", "data", "xlink:href"}
    assert [value for _, name, value in page.attributes if name == "src"] == ["data:image/jpeg;base64,/9j/abc+"]
    text = render(make_run(), make_summary([done("a.png")], {}), pictures())
    assert not re.search(r"https?://|url\(|@import", text)


def test_the_gallery_tells_of_each_cell_what_it_might_be(page: Page) -> None:
    assert "monocyte 1 of 5" in page.text
    assert "margin 0.12 or lymphocyte a.png, 7" in page.text
    assert "has changed or is too large: 2." in page.text
    assert ("figure", "title", "s1/a.png, cell 7") in page.attributes
    unidentified = Page(render(make_run(), make_summary([done("a.png")], {}), pictures("unidentified")))
    assert "margin 0.12 like lymphocyte a.png, 7" in unidentified.text


def test_the_methods_text_has_the_numbers_of_the_run(page: Page) -> None:
    methods = page.text.partition("Methods, to paste into a paper")[2]
    assert "napari-wbc 9.9.9 in two stages, after Roy Reena and Ameer (2020)" in methods
    assert f"the segmenter, SHA-256 {'5e9' * 4}" in methods
    assert f"the classifier, SHA-256 {'c1a' * 4}" in methods
    assert "um_per_px 0.25 µm/px, mask_threshold 0.5 probability" in methods
    assert "2 images of 2 slides were analysed; 1 more could not be; pixel size from the file (2)." in methods
    assert (
        "Of 11 cells found, 10 were counted (basophil 0, eosinophil 0, lymphocyte 0, monocyte 2, neutrophil 6, blast 2)"
        in methods
    )
    assert "and 1 was not (unidentified 0, artefact 0, smudge 1)" in methods
    assert "A person reviewed 4 of the 11 cells." in methods
    assert "doi:10.1016/j.compbiomed.2020.104034" in methods


def test_of_an_import_it_does_not_say_that_networks_made_it() -> None:
    model = Model(name="Their authors (imported)", identity="import lisc 1")
    run = make_run(segmenter=model, classifier=model, device="none")
    methods = Page(render(run, make_summary([done("a.png")], {}))).text.partition("Methods")[2]
    assert "(Their authors (imported)) were read with napari-wbc 9.9.9." in methods
    assert "network" not in methods
    assert "SHA-256" not in methods


def test_research_use_only_stands_at_the_top_and_on_every_printed_page(page: Page) -> None:
    assert page.text.index("Research use only.") < page.text.index("Differential")
    text = render(make_run(), make_summary([done("a.png")], {}))
    assert re.search(r'@page \{[^}]*@bottom-left \{ content: "Research use only, not for diagnosis"', text)


def test_the_file_is_utf_8_and_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    summary = make_summary([done("é🩸/a.png")], {("é🩸", "monocyte", False): 1})
    write_report(tmp_path / "1", make_run(), summary)
    write_report(tmp_path / "2", make_run(), summary)
    assert (tmp_path / "1" / "report.html").read_bytes() == (tmp_path / "2" / "report.html").read_bytes()
    assert "é🩸" in (tmp_path / "1" / "report.html").read_text(encoding="utf-8")
