"""Cross-validation on tiny drawn data: who is in which fold, what is pooled, what is kept, and that a stopped one continues."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics  # type: ignore[import-untyped]
from typer.testing import CliRunner

from napari_wbc.cells import Analysis, Field, Segmentation
from napari_wbc.cli import app
from napari_wbc.config import CELL_TYPES, UNIDENTIFIED
from napari_wbc.errors import CheckpointError, UsageError
from napari_wbc.evaluate import Pair, evaluate
from napari_wbc.evaluate.compare import compare
from napari_wbc.pipeline import finish
from napari_wbc.results import images_in, iter_records, read_analysis
from napari_wbc.results.pixels import read_pixels
from napari_wbc.training import segmenter_job
from napari_wbc.training.crossval import Progress, Request, crossval
from napari_wbc.training.folders import Item
from napari_wbc.training.out_of_fold import FoldResult, Named, read_result, write_result
from napari_wbc.training.pooled import CrossValidation, pool, spread
from napari_wbc.training.recipes import make_recipe
from napari_wbc.training.sources import open_sources
from napari_wbc.training.split import make_folds, write_folds
from napari_wbc.training.state import Epoch
from tests.permissions import closed
from tests.training.drawn import corrected, tiny_classifier, tiny_segmenter
from tests.training.test_split import items

TINY = {"batch": "2", "batches_per_epoch": "1", "fine_tune_epochs": "2"}
IMAGES = tuple(f"s{i % 3}/{i}.png" for i in range(6))
FACTS: dict[str, Any] = {"recipe": "default", "begins_with": "none", "fine_tuned": False, "by": "image", "seed": 0}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corrected(tmp_path_factory.mktemp("drawn"), IMAGES, n_cells=3)


def request_for(results: Path, out: Path, what: Any = "classifier", folds: int = 3, **changes: str) -> Request:
    make = tiny_classifier if what == "classifier" else tiny_segmenter
    model = make(out.parent / "old.safetensors")
    recipe = make_recipe(what, "default", TINY | changes)
    return Request(what=what, data=(results,), out=out, recipe=recipe, from_model=str(model), folds=folds, device="cpu")


# -- who is in which fold ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_slides_stay_together_and_every_item_is_in_one_fold(seed: int) -> None:
    data = items(8, 3)
    made = make_folds(data, 4, seed)
    assert made.file.by == "slide"
    assert sorted(i.identity for part in made.parts for i in part) == sorted(i.identity for i in data)
    slides = [{i.slide for i in part} for part in made.parts]
    assert sum(map(len, slides)) == 8
    assert make_folds(data, 4, seed).file == made.file
    assert make_folds(data, 4, seed + 1).file != made.file


def test_images_stay_together_where_there_are_fewer_slides_than_folds() -> None:
    made = make_folds(items(2, 6), 3, 0)
    assert made.file.by == "image"
    assert sum(len(set(images)) for images in made.file.folds) == 12
    with pytest.raises(UsageError, match="3 folds of 2"):
        make_folds(items(2, 6), 3, 0, by="slide")
    assert make_folds(items(8, 3), 4, 0, by="image").file.by == "image"


def test_slides_of_one_type_each_are_parted_by_image_unless_asked_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    data = [Item(None, f"{t}/{i}", t, t, 0.1, "") for t in "abc" for i in range(4)]
    made = make_folds(data, 3, 0)
    assert made.file.by == "image"
    assert all({i.stratum for i in part} == {"a", "b", "c"} for part in made.parts)
    assert not caplog.text
    assert make_folds(data, 3, 0, by="slide").file.by == "slide"
    assert "without having learnt it" in caplog.text


def test_the_folds_are_written(tmp_path: Path) -> None:
    made = make_folds(items(8, 3), 4, 5)
    write_folds(tmp_path, made)
    said = json.loads((tmp_path / "folds.json").read_text())
    assert (said["by"], said["seed"]) == ("slide", 5)
    assert [set(names) for names in said["folds"]] == [{i.image for i in part} for part in made.parts]


# -- what is pooled ----------------------------------------------------------------------------------------------------


def named(true: str, name: str, p: float = 0.6, image: str = "a") -> Named:
    top = name if name in CELL_TYPES else CELL_TYPES[0]
    return Named(image=image, true=true, named=name, p=tuple(p if t == top else (1 - p) / 4 for t in CELL_TYPES))


def folds_of(*answers: list[Any]) -> list[FoldResult]:
    return [FoldResult(fold=i + 1, epochs=3, best_epoch=i + 1, answers=tuple(a)) for i, a in enumerate(answers)]


def test_a_classifiers_figures_by_hand() -> None:
    one = [named("basophil", "basophil"), named("basophil", "monocyte"), named("other", UNIDENTIFIED)]
    two = [named("monocyte", "monocyte"), named("monocyte", UNIDENTIFIED), named("other", "monocyte", image="b")]
    three = [named("monocyte", "monocyte")]
    found = pool(folds_of(one, two, three), what="classifier", **FACTS)
    naming = found.naming
    assert naming is not None
    assert (found.folds, found.images, found.cells, found.best_epochs) == (3, 2, 7, (1, 2, 3))
    assert naming.confusion[0] == (1, 0, 0, 1, 0, 0, 0)
    assert naming.confusion[3] == (0, 0, 0, 2, 0, 1, 0)
    assert naming.confusion[5] == (0, 0, 0, 1, 0, 1, 0)
    assert (naming.accuracy.k, naming.accuracy.n) == (3, 5)
    assert (naming.micro_precision.k, naming.micro_precision.n) == (3, 4)
    assert (naming.micro_specificity.k, naming.micro_specificity.n) == (19, 20)
    assert naming.micro_f1 == pytest.approx(6 / 9)
    assert found.none_of_five is not None
    assert (found.none_of_five.k, found.none_of_five.n) == (1, 2)
    accuracy = found.by_fold["accuracy"]
    assert accuracy.by_fold == (0.5, 0.5, 1.0)
    assert accuracy.mean == pytest.approx(2 / 3)
    assert accuracy.sd == pytest.approx(np.sqrt(1 / 12))
    assert str(accuracy) == "66.7 ± 28.9 %"
    # top probability 0.6 of each of the five cells; of the two that say monocyte falsely or basophil for `unidentified`, wrong
    assert naming.calibration_error == pytest.approx(abs(3 / 5 - 0.6))
    lines = found.table().splitlines()
    assert lines[-1].split() == ["none", "of", "five", "0", "0", "0", "1", "0", "1"]
    assert any(line.split("  ")[0] == "none of the five, so called" and "1/2" in line for line in lines)


def test_a_classifiers_figures_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    true = rng.choice(CELL_TYPES, 200, p=[0.05, 0.1, 0.3, 0.1, 0.45]).tolist()
    said = [t if rng.random() < 0.7 else str(rng.choice((*CELL_TYPES, UNIDENTIFIED))) for t in true]
    answers = [named(t, s) for t, s in zip(true, said, strict=True)]
    found = pool(folds_of(answers[:60], answers[60:130], answers[130:]), what="classifier", **FACTS)
    naming, five = found.naming, list(CELL_TYPES)
    assert naming is not None
    expected = sklearn_metrics.confusion_matrix(true, said, labels=[*five, UNIDENTIFIED])[:5]
    assert [row[:6] for row in naming.confusion[:5]] == [tuple(row) for row in expected.tolist()]
    for average, precision, recall, f1 in (
        ("micro", naming.micro_precision.value, naming.accuracy.value, naming.micro_f1),
        ("macro", naming.macro_precision, naming.macro_recall, naming.macro_f1),
    ):
        scores = sklearn_metrics.precision_recall_fscore_support(true, said, labels=five, average=average)
        assert (precision, recall, f1) == pytest.approx(scores[:3])
    matrices = sklearn_metrics.multilabel_confusion_matrix(true, said, labels=five)
    specificity = matrices[:, 0, 0] / matrices[:, 0].sum(axis=1)
    assert naming.macro_specificity == pytest.approx(specificity.mean())
    assert naming.micro_specificity.value == pytest.approx(matrices[:, 0, 0].sum() / matrices[:, 0].sum())
    folds = [sklearn_metrics.accuracy_score(true[a:b], said[a:b]) for a, b in ((0, 60), (60, 130), (130, 200))]
    assert found.by_fold["accuracy"].by_fold == pytest.approx(tuple(folds))
    assert found.by_fold["accuracy"].sd == pytest.approx(np.std(folds, ddof=1))


def test_a_segmenters_figures_are_those_of_evaluate(results: Path) -> None:
    truth = [read_analysis(results, image) for image in images_in(results)]
    pairs = [
        Pair(str(i), a if i % 2 else Analysis(np.roll(a.labels, 4, axis=1), a.cells, a.scale), a) for i, a in enumerate(truth)
    ]
    answers = [compare(pair) for pair in pairs]
    found, expected = pool(folds_of(answers[:2], answers[2:]), what="segmenter", **FACTS), evaluate(pairs)
    assert found.pixels == expected.pixels
    assert found.objects == expected.objects
    assert (found.images, found.cells) == (6, expected.true_cells)
    one, two = evaluate(pairs[:2]), evaluate(pairs[2:])
    assert found.by_fold["iou_wbc"].by_fold == (one.pixels.iou_wbc, two.pixels.iou_wbc)
    assert found.by_fold["average_precision"].by_fold == (one.objects.average_precision, two.objects.average_precision)
    assert "θ = 1.5 px" in found.table()


def test_a_figure_that_is_undefined_in_a_fold_is_out_of_the_mean() -> None:
    found = spread([0.5, None, 0.7])
    assert found.mean == pytest.approx(0.6)
    assert found.sd == pytest.approx(np.sqrt(0.02))
    assert (spread([0.5]).sd, spread([None]).mean) == (None, None)


def test_a_result_survives_its_file(tmp_path: Path, results: Path) -> None:
    assert read_result(tmp_path) is None
    truth = read_analysis(results, images_in(results)[0])
    for answers in ((named("monocyte", UNIDENTIFIED),), (compare(Pair("a", truth, truth)), compare(Pair("b", None, truth)))):
        result = FoldResult(fold=1, epochs=2, best_epoch=2, answers=answers)
        write_result(tmp_path, result)
        assert read_result(tmp_path) == result
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"result\.json.*Remove it"):
        read_result(tmp_path)


# -- the whole road ----------------------------------------------------------------------------------------------------


def test_every_cell_is_named_once_by_a_network_that_did_not_learn_from_it(results: Path, tmp_path: Path) -> None:
    """A network that calls everything a basophil and hardly learns: the basophils are right."""
    request = request_for(results, tmp_path / "cv", lr="1e-12")
    tiny_classifier(tmp_path / "old.safetensors", likes=0)
    found = finish(crossval(request))
    true = [cell.cell_type for image in images_in(results) for cell in read_analysis(results, image).cells]
    assert found.naming is not None
    assert (found.naming.accuracy.k, found.naming.accuracy.n) == (true.count("basophil"), len(true))
    assert [row[0] for row in found.naming.confusion[:5]] == [true.count(name) for name in CELL_TYPES]
    assert CrossValidation.model_validate_json((tmp_path / "cv" / "crossval.json").read_text()) == found
    assert "too good" in found.table(), "a finished model may have seen the images"
    folds = json.loads((tmp_path / "cv" / "folds.json").read_text())["folds"]
    assert sorted(image for images in folds for image in images) == [f"results/{image}" for image in sorted(IMAGES)]
    for number, images in enumerate(folds, start=1):
        folder = tmp_path / "cv" / f"fold-{number:02d}"
        made = json.loads((folder / "split.json").read_text())
        assert sorted([*made["training"], *made["validation"], *images]) == [f"results/{image}" for image in sorted(IMAGES)]
        result = read_result(folder)
        assert result is not None
        assert {answer.image for answer in result.answers} == set(images)
        assert sorted(path.name for path in folder.iterdir()) == ["curve.csv", "curve.png", "result.json", "split.json"]


def test_a_stopped_cross_validation_continues_to_the_same_figures(results: Path, tmp_path: Path) -> None:
    whole = request_for(results, tmp_path / "whole")
    finish(crossval(whole))
    part = dataclasses.replace(whole, out=tmp_path / "part")
    steps = crossval(part)
    while not ((step := next(steps)).fold == 2 and isinstance(step.step, Epoch)):
        pass
    steps.close()
    first, stopped = tmp_path / "part" / "fold-01" / "result.json", tmp_path / "part" / "fold-02"
    assert not (stopped / "result.json").exists()
    assert (stopped / "epoch0.safetensors").exists()
    (stopped / ".tmp-0123").write_bytes(b"left by a kill")
    written, seen = first.stat().st_mtime_ns, list[Progress]()
    steps = crossval(part)
    while (step := next(steps, None)) is not None:
        seen.append(step)
    assert first.stat().st_mtime_ns == written, "a finished fold is not trained again"
    assert [(s.fold, s.step.number) for s in seen if isinstance(s.step, Epoch)] == [(2, 1), (3, 0), (3, 1)]
    assert not list((tmp_path / "part").rglob(".tmp-*"))
    for name in ("crossval.json", "folds.json", *(f"fold-0{n}/result.json" for n in (1, 2, 3))):
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_segmenter_is_judged_on_the_whole_image_as_it_is_used(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,), seen = open_sources([results]), list[Field]()
    truth = {
        read_pixels(source.folder, record, source.roots).tobytes(): read_analysis(results, record.image)
        for record in iter_records(results)
    }

    def perfect(field: Field, segmenter: object) -> Segmentation:
        seen.append(field)
        own = truth[field.pixels.tobytes()]
        return Segmentation(own.labels, {cell.cell_id: 0.9 for cell in own.cells}, own.scale)

    monkeypatch.setattr(segmenter_job, "segment_cells", perfect)
    found = finish(crossval(request_for(results, tmp_path / "cv", "segmenter", folds=2, window_px="64", fine_tune_epochs="1")))
    assert found.pixels is not None
    assert found.objects is not None
    assert found.pixels.iou_wbc == found.pixels.bf_wbc_image_mean == found.objects.average_precision == 1
    assert found.objects.recall_70.n == sum(len(a.cells) for a in truth.values())
    assert {field.um_per_px for field in seen} == {0.4}
    assert len(seen) == 6
    assert found.by_fold["average_precision"].by_fold == (1, 1)


def test_a_folder_that_is_closed_or_holds_something_else_is_refused(results: Path, tmp_path: Path) -> None:
    request, out = request_for(results, tmp_path / "out"), tmp_path / "out"
    out.mkdir()
    with closed(out), pytest.raises(UsageError, match="out cannot be looked at: Permission denied"):
        finish(crossval(request))
    (out / "a.png").touch()
    with pytest.raises(UsageError, match="out is neither an empty folder nor a cross-validation"):
        finish(crossval(request))


def test_the_command_line_shows_folds_and_figures_and_refuses_another_request(results: Path, tmp_path: Path) -> None:
    old, out = tiny_classifier(tmp_path / "old.safetensors"), tmp_path / "cv"
    arguments = ["crossval", "classifier", results, "-o", out, "--from", old, "--folds", "2", "--by", "image", "--seed", "4"]
    arguments += [part for name, value in TINY.items() for part in ("--set", f"{name}={value}")]
    runner = CliRunner()
    done = runner.invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    assert "fold 2/2, epoch 2/2: loss" in done.stderr
    assert "2 folds by image, seed 4" in done.stdout
    assert "macro F1" in done.stdout
    other = runner.invoke(app, [*map(str, arguments[:-2]), "--set", "batch=3"], catch_exceptions=False)
    assert other.exit_code == 2
    assert "begun with other recipe" in other.stderr
    fewer = runner.invoke(app, [*map(str, arguments), "--folds", "3"], catch_exceptions=False)
    assert fewer.exit_code == 2
    assert "begun with other folds" in fewer.stderr
    taken = runner.invoke(app, [str(tmp_path if a == out else a) for a in arguments], catch_exceptions=False)
    assert taken.exit_code == 2
    assert "nor a cross-validation" in taken.stderr
