"""`verify`: silent about sound folders, and every kind of damage named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from napari_wbc._cli.terminal import verification_text
from napari_wbc.batch.verify import Verification, verify
from napari_wbc.cells import Probabilities, RgbImage
from napari_wbc.errors import ModelMemoryError, ResultsError, UsageError
from napari_wbc.pipeline import Models
from napari_wbc.results import iter_records, read_analysis, read_record, write_analysis
from tests.fakes import FakeClassifier, FakeSegmenter, load_fakes
from tests.permissions import closed
from tests.runs import go
from tests.smears import write_slides, write_smear
from tests.steps import watch
from tests.test_results import forbid


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Results of six images and of one that failed, their images beside them in `in`."""
    (write_slides(tmp_path / "in") / "bad.png").touch()
    go(tmp_path / "in", tmp_path / "out")
    return tmp_path / "out"


def check(out: Path, load: Callable[[], Models] = load_fakes, **options: object) -> Verification:
    _, result = watch(verify(out, load, **options))  # type: ignore[arg-type]
    assert isinstance(result, Verification)
    return result


def problems(result: Verification) -> dict[str, str]:
    return {finding.file: finding.problem.partition(":")[0] for finding in result.findings}


def test_a_sound_folder_is_sound(out: Path) -> None:
    result = check(out)
    assert (result.n_images, result.n_again, result.n_close, result.findings, result.exit_code) == (7, 6, 0, (), 0)


def test_the_sample_is_drawn_by_the_seed(out: Path) -> None:
    def sampled(seed: int) -> list[str]:
        return [step.image for step in watch(verify(out, load_fakes, sample=2, seed=seed))[0][7:]]

    assert sampled(1) == sampled(1)
    assert len({tuple(sampled(seed)) for seed in range(5)}) > 1
    assert check(out, lambda: pytest.fail("loaded"), sample=0).n_again == 0


def spoil_labels(out: Path) -> None:
    labels = out / "labels" / "slide-1"
    (labels / "field-1.png.tif").write_bytes((labels / "field-2.png.tif").read_bytes())


def spoil_record(out: Path) -> None:
    (out / "records" / "slide-1" / "field-1.png.json").write_text("{")


def spoil_table(out: Path) -> None:
    table = out / "cells.csv"
    table.write_text(table.read_text().replace("model", "human", 1))


def lose_record(out: Path) -> None:
    (out / "records" / "slide-1" / "field-1.png.json").unlink()


def leave_temporary(out: Path) -> None:
    (out / "labels" / ".tmp-0123456789abcdef").touch()


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (spoil_labels, {"labels/slide-1/field-1.png.tif": "altered"}),
        (lambda out: (out / "labels/slide-1/field-1.png.tif").unlink(), {"labels/slide-1/field-1.png.tif": "missing"}),
        (spoil_record, {"records/slide-1/field-1.png.json": "damaged"}),
        (lambda out: write_smear(out.parent / "in/slide-1/field-1.png", 99), {"slide-1/field-1.png": "altered"}),
        (lambda out: (out.parent / "in/slide-1/field-1.png").unlink(), {"slide-1/field-1.png": "missing"}),
        (spoil_table, {"cells.csv": "altered"}),
        (lambda out: (out / "images.csv").unlink(), {"images.csv": "missing"}),
        (leave_temporary, {"labels/.tmp-0123456789abcdef": "has no record"}),
        (
            lose_record,
            {
                "labels/slide-1/field-1.png.tif": "has no record",
                "images.csv": "altered",
                "cells.csv": "altered",
                "differential.csv": "altered",
            },
        ),
    ],
)
def test_every_damage_is_named(out: Path, spoil: Callable[[Path], object], wanted: dict[str, str]) -> None:
    spoil(out)
    result = check(out, sample=0)
    assert problems(result) == wanted
    assert result.exit_code == 1


def test_a_folder_that_cannot_be_searched_is_named(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / "unfinished").mkdir()
    for folder in ("labels/slide-1", "unfinished"):
        with monkeypatch.context() as patch:
            forbid(patch, folder)
            assert problems(check(out, sample=0)) == {folder: "cannot be searched"}


def test_a_table_that_cannot_be_read_hides_nothing_else_that_is_wrong(out: Path) -> None:
    spoil_labels(out)
    (out / "images.csv").unlink()
    with closed(out / "cells.csv"):
        found = check(out, sample=0)
    wanted = {"labels/slide-1/field-1.png.tif": "altered", "images.csv": "missing", "cells.csv": "cannot be read"}
    assert problems(found) == wanted


def test_what_macos_puts_beside_files_is_no_stray(out: Path) -> None:
    for name in ("labels/slide-1/.DS_Store", "labels/slide-1/._field-1.png.tif", "records/._slide-1", "records/.DS_Store"):
        (out / name).touch()
    assert check(out, sample=0).findings == ()


class Blind(FakeSegmenter):
    """The identity of the other, and other results."""

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        return [np.zeros_like(found) for found in super().__call__(images)]


class Wavering(FakeClassifier):
    """The identity of the other, but for the precision, and other last digits."""

    identity = "fake-classifier+float16+abacus"

    def __call__(self, crops: Sequence[RgbImage]) -> tuple[Probabilities, Probabilities]:
        probabilities, none_of_five = super().__call__(crops)
        return probabilities * np.float32(0.99) + np.float32(0.002), none_of_five


def test_what_is_not_reproducible_is_named(out: Path) -> None:
    result = check(out, lambda: Models(Blind(), FakeClassifier()))
    with_cells = {f"slide-{s}/field-{f}.png" for s in (1, 2) for f in (1, 2, 3) if (10 * s + f) % 4}
    assert problems(result) == dict.fromkeys(with_cells, "not reproducible")
    assert "0 cells, recorded" in result.findings[0].problem


def test_other_last_digits_of_another_processor_are_counted_but_not_wrong(out: Path) -> None:
    result = check(out, lambda: Models(FakeSegmenter(), Wavering()))
    assert (result.findings, result.n_again) == ((), 6)
    assert result.n_close == len([1 for s in (1, 2) for f in (1, 2, 3) if (10 * s + f) % 4])


def test_a_persons_work_is_not_analysed_again(out: Path) -> None:
    name = "slide-1/field-2.png"
    hashes = read_record(out, name).hashes
    write_analysis(out, name, read_analysis(out, name), hashes.input, hashes.origin, edited=True)
    result = check(out)
    assert (result.n_again, result.n_by_persons, result.findings) == (5, 1, ())
    assert "1 image worked on by a person: only the files are looked at." in verification_text(result)
    for record in iter_records(out):
        if record.row.status == "done":
            write_analysis(
                out, record.image, read_analysis(out, record.image), record.hashes.input, record.hashes.origin, edited=True
            )
    assert "None is left to be analysed again" in verification_text(check(out, lambda: pytest.fail("loaded")))


class Fails(FakeSegmenter):
    """The identity of the other, and no memory."""

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        raise ModelMemoryError("out of memory")


def test_an_image_that_cannot_be_analysed_again_is_named_and_what_else_is_wrong_too(out: Path) -> None:
    (out / "images.csv").unlink()
    result = check(out, lambda: Models(Fails(), FakeClassifier()), sample=2)
    assert sorted(problems(result).values()) == ["missing", "not reproducible", "not reproducible"]
    assert result.findings[-1].problem == "not reproducible: out of memory"


class Renamed(FakeClassifier):
    identity = "another-classifier"


def test_other_models_hide_nothing_else_that_is_wrong(out: Path) -> None:
    (out / "images.csv").unlink()
    result = check(out, lambda: Models(FakeSegmenter(), Renamed()))
    assert problems(result) == {"images.csv": "missing", "run.json": "no image was analysed again"}
    assert "fake segmenter and fake classifier" in result.findings[-1].problem


def test_other_models_are_wrong_use_and_another_folder_is_an_error(out: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fake segmenter and fake classifier"):
        check(out, lambda: Models(FakeSegmenter(), Renamed()))
    with pytest.raises(ResultsError, match="not a results folder"):
        check(tmp_path)


def test_images_that_have_moved_are_named(out: Path, tmp_path: Path) -> None:
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    assert len(check(out, sample=0).findings) == 7
    assert check(out, images=tmp_path / "elsewhere").exit_code == 0
    assert json.loads((out / "run.json").read_bytes())["input_root"] == "../in"
