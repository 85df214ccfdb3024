"""The figures of an evaluation, on drawn images whose answers can be counted."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics  # type: ignore[import-untyped]

from napari_wbc.cells import Analysis, Box, Cell, CellTable, Scale
from napari_wbc.config import CELL_TYPES
from napari_wbc.errors import ResultsError, UsageError
from napari_wbc.evaluate import Evaluation, Pair, evaluate, read_pairs
from napari_wbc.metrics.pixels import tolerance_px
from napari_wbc.results import write_analysis, write_failure
from napari_wbc.results.record import InputFile, Origin

SHAPE = (60, 80)
LEFT, MIDDLE, RIGHT = Box(10, 5, 30, 25), Box(10, 30, 30, 50), Box(10, 55, 30, 75)  # 20 × 20 px each


def cell(
    cell_id: int, box: Box, name: str | None = None, score: float | None = None, p: tuple[float, ...] | None = None
) -> Cell:
    return Cell(cell_id, box, 0, 0, box.height * box.width, False, segmentation_score=score, cell_type=name, p=p)


def analysis(*cells: Cell, shape: tuple[int, int] = SHAPE) -> Analysis:
    labels = np.zeros(shape, dtype=np.int32)
    for c in cells:
        labels[c.box.slices] = c.cell_id
    return Analysis(labels, CellTable(cells), Scale(None, 1.0, "assumed"))


def shifted(box: Box, columns: int) -> Box:
    return Box(box.y0, box.x0 + columns, box.y1, box.x1 + columns)


def certain(name: str, p: float = 1.0) -> tuple[float, ...]:
    return tuple(p if other == name else (1 - p) / 4 for other in CELL_TYPES)


def test_the_truth_against_itself_is_perfect() -> None:
    truth = analysis(
        *(cell(i + 1, box, name) for i, (box, name) in enumerate(zip((LEFT, MIDDLE, RIGHT), CELL_TYPES, strict=False)))
    )
    result = evaluate([Pair("a", truth, truth)] * 2)
    assert (result.images, result.images_without_result, result.true_cells, result.found_cells) == (2, 0, 6, 6)
    pixels, objects, naming = result.pixels, result.objects, result.naming
    assert naming is not None
    assert pixels.iou_wbc == pixels.dice_wbc == pixels.mean_iou == pixels.mean_accuracy == pixels.bf_wbc_image_mean == 1
    assert objects.average_precision == objects.outline_iou_mean == 1
    assert [(s.k, s.n) for s in (objects.recall_70, objects.precision_70, objects.outlined, naming.accuracy)] == [(6, 6)] * 4
    assert naming.macro_f1 == naming.macro_specificity == naming.found_and_named_f1 == naming.found_and_named_macro_f1 == 1


def test_pixels_are_pooled_and_averaged_over_images() -> None:
    a = Pair("a", analysis(cell(1, LEFT)), analysis(cell(1, LEFT), cell(2, RIGHT)))  # IoU 1/2, Dice 2/3
    b = Pair("b", analysis(cell(1, shifted(LEFT, 10))), analysis(cell(1, LEFT)))  # IoU 200/600, Dice 1/2
    nothing = Pair("c", analysis(), analysis())  # undefined: out of the mean over images
    pixels = evaluate([a, b, nothing]).pixels
    assert pixels.confusion == ((3 * 4800 - 1200 - 200, 200), (400 + 200, 400 + 200))
    assert pixels.iou_wbc == pytest.approx(600 / 1400)
    assert pixels.dice_wbc == pytest.approx(1200 / 2000)
    assert pixels.iou_wbc_image_mean == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert pixels.dice_wbc_image_mean == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert pixels.iou_background == pytest.approx(13000 / 13800)
    assert pixels.mean_iou == pytest.approx((600 / 1400 + 13000 / 13800) / 2)
    assert pixels.mean_accuracy == pytest.approx((600 / 1200 + 13000 / 13200) / 2)


def test_the_tolerance_of_the_boundary_is_reported_for_every_size_of_image() -> None:
    small, large = analysis(cell(1, LEFT)), analysis(cell(1, LEFT), shape=(600, 800))
    pixels = evaluate([Pair("a", small, small), Pair("b", large, large)]).pixels
    assert pixels.bf_theta_px_min == tolerance_px(SHAPE) == pytest.approx(0.75)
    assert pixels.bf_theta_px_max == pytest.approx(7.5)


def test_a_shifted_box_is_found_at_iou_half_but_not_at_seven_tenths() -> None:
    truth = analysis(cell(1, LEFT, "monocyte"))
    objects = evaluate([Pair("a", analysis(cell(1, shifted(LEFT, 5), "monocyte", 0.9)), truth)]).objects  # IoU 15/25
    assert (objects.recall_70.k, objects.recall_50.k) == (0, 1)
    assert objects.average_precision == 0
    assert objects.outlined.k == 1
    assert objects.outline_iou_mean == pytest.approx(0.6)
    objects = evaluate([Pair("a", analysis(cell(1, shifted(LEFT, 3), "monocyte", 0.9)), truth)]).objects  # IoU 17/23
    assert (objects.recall_70.k, objects.average_precision) == (1, 1)


def test_outlines_are_told_by_type_and_a_missed_cell_counts_as_0() -> None:
    truth = analysis(cell(1, LEFT, "neutrophil"), cell(2, MIDDLE, "neutrophil"), cell(3, RIGHT, "blast"))
    found = analysis(cell(1, shifted(LEFT, 5), "monocyte"), cell(2, shifted(RIGHT, -3)))  # IoU 15/25, none, 17/23
    by_type = evaluate([Pair("a", found, truth), Pair("b", None, analysis(cell(1, LEFT, "basophil")))]).objects.outline_by_type
    assert [(o.cell_type, o.n) for o in by_type] == [("basophil", 1), ("neutrophil", 2), ("blast", 1)]
    assert [o.iou_mean for o in by_type] == pytest.approx([0, (15 / 25 + 0) / 2, 17 / 23])


def test_outlines_by_type_agree_with_scikit_learn() -> None:
    rng, pairs, expected = np.random.default_rng(0), [], []
    for i in range(6):
        true, found = analysis(cell(1, MIDDLE, "monocyte")), analysis(cell(4, shifted(MIDDLE, int(rng.integers(-9, 9)))))
        pairs.append(Pair(str(i), found, true))
        expected.append(sklearn_metrics.jaccard_score(true.labels.ravel() > 0, found.labels.ravel() > 0))
    (monocytes,) = evaluate(pairs).objects.outline_by_type
    assert monocytes.iou_mean == pytest.approx(np.mean(expected))


def test_names_over_all_cells_agree_with_scikit_learn() -> None:
    """Missed cells and false ones as a type of their own: F1 with the right type, micro and macro."""
    rng, pairs, true_names, found_names = np.random.default_rng(1), [], [], []
    for i in range(80):
        true, name = (str(n) for n in rng.choice(CELL_TYPES[:4], 2))
        name = true if rng.random() < 0.6 else name
        is_there, is_found = rng.random() < 0.9, rng.random() < 0.8
        pairs.append(Pair(str(i), analysis(*[cell(1, LEFT, name)] * is_found), analysis(*[cell(1, LEFT, true)] * is_there)))
        true_names.append(true if is_there else "none")
        found_names.append(name if is_found else "none")
    naming, types = evaluate(pairs).naming, list(CELL_TYPES[:4])
    assert naming is not None
    for average, f1 in (("micro", naming.found_and_named_f1), ("macro", naming.found_and_named_macro_f1)):
        assert f1 == pytest.approx(sklearn_metrics.f1_score(true_names, found_names, labels=types, average=average))
    recall = sklearn_metrics.recall_score(true_names, found_names, labels=types, average="micro")
    assert naming.found_and_named_recall.value == pytest.approx(recall)


def test_detections_of_all_images_are_ranked_together() -> None:
    a = Pair("a", analysis(cell(1, LEFT, score=0.9), cell(2, RIGHT, score=0.6)), analysis(cell(1, LEFT), cell(2, RIGHT)))
    b = Pair("b", analysis(cell(1, MIDDLE, score=0.8), cell(2, RIGHT, score=0.7)), analysis(cell(1, LEFT), cell(2, RIGHT)))
    objects = evaluate([a, b]).objects  # right, wrong, right, right of 4 true
    assert objects.average_precision == pytest.approx(0.25 + 0.5 * 0.75)
    assert (objects.recall_70.k, objects.recall_70.n, objects.precision_70.n) == (3, 4, 4)
    assert evaluate([b, a]) == evaluate([a, b])


def test_an_outline_without_a_score_ranks_as_certain() -> None:
    found = analysis(cell(1, LEFT, score=None), cell(2, MIDDLE, score=0.99))
    assert evaluate([Pair("a", found, analysis(cell(1, LEFT)))]).objects.average_precision == 1


def test_names_are_judged_over_found_cells_and_missed_ones_are_charged_apart() -> None:
    truth = analysis(cell(1, LEFT, "neutrophil"), cell(2, MIDDLE, "lymphocyte"), cell(3, RIGHT, "basophil"))
    found = analysis(
        cell(8, LEFT, "neutrophil", 0.9),
        cell(9, shifted(MIDDLE, 1), "monocyte", 0.8),
        cell(10, Box(40, 5, 55, 20), "neutrophil", 0.7),  # no cell there
    )
    naming = evaluate([Pair("a", found, truth)]).naming
    assert naming is not None
    expected = np.zeros((6, 7), dtype=int)
    expected[4, 4] = expected[2, 3] = expected[0, 6] = expected[5, 4] = 1
    assert naming.confusion == tuple(map(tuple, expected.tolist()))
    assert (naming.accuracy.k, naming.accuracy.n) == (1, 2)
    assert (naming.found_and_named_recall.k, naming.found_and_named_recall.n) == (1, 3)
    assert (naming.found_and_named_precision.k, naming.found_and_named_precision.n) == (1, 3)
    assert naming.found_and_named_f1 == pytest.approx(1 / 3)
    assert naming.found_and_named_macro_f1 == pytest.approx((0 + 0 + 2 / 3) / 3)
    neutrophil = naming.types[4]
    assert (neutrophil.cell_type, neutrophil.f1) == ("neutrophil", 1)  # the false cell is not among the found true ones
    assert (neutrophil.specificity.k, neutrophil.specificity.n) == (1, 1)
    assert (naming.types[3].precision.k, naming.types[3].precision.n, naming.types[3].recall.n) == (0, 1, 0)
    assert naming.macro_recall == pytest.approx(1 / 2)
    assert naming.macro_precision == pytest.approx(1 / 2)
    assert (naming.micro_precision.k, naming.micro_precision.n, naming.micro_f1) == (1, 2, 1 / 2)
    assert (naming.micro_specificity.k, naming.micro_specificity.n) == (7, 8)  # 5 types × 2 cells, 2 of them true


def test_an_unidentified_cell_is_wrong_but_claims_no_type() -> None:
    truth = analysis(cell(1, LEFT, "neutrophil"), cell(2, RIGHT, "neutrophil"))
    found = analysis(cell(1, LEFT, "neutrophil", 0.9), cell(2, RIGHT, "unidentified", 0.9))
    naming = evaluate([Pair("a", found, truth)]).naming
    assert naming is not None
    assert naming.confusion[4] == (0, 0, 0, 0, 1, 1, 0)
    assert (naming.accuracy.k, naming.accuracy.n) == (1, 2)
    assert (naming.found_and_named_precision.k, naming.found_and_named_precision.n) == (1, 1)
    assert naming.types[4].precision.value == 1


def test_true_cells_of_no_type_are_to_find_but_not_to_name() -> None:
    truth = analysis(cell(1, LEFT, "neutrophil"), cell(2, MIDDLE, "smudge"), cell(3, RIGHT, None))
    found = analysis(cell(1, LEFT, "neutrophil"), cell(2, MIDDLE, "lymphocyte"))
    result = evaluate([Pair("a", found, truth)])
    assert (result.objects.recall_50.k, result.objects.recall_50.n) == (2, 3)
    assert result.naming is not None
    assert (result.naming.accuracy.k, result.naming.accuracy.n) == (1, 1)
    assert result.naming.found_and_named_f1 == 1
    assert re.search(r"^true cells of other types +2, found or not, but in no figure below$", result.table(), re.MULTILINE)
    assert "other types" not in evaluate([Pair("a", found, analysis(cell(1, LEFT, "neutrophil")))]).table()


def test_truth_without_types_gives_no_naming_figures() -> None:
    result = evaluate([Pair("a", analysis(cell(1, LEFT, "monocyte")), analysis(cell(1, LEFT)))])
    assert result.naming is None
    assert result.objects.recall_70.k == 1


def test_artefacts_are_no_cells() -> None:
    truth = analysis(cell(1, LEFT, "neutrophil"), cell(2, RIGHT, "artefact"))
    clean = analysis(cell(1, LEFT, "neutrophil"))
    assert evaluate([Pair("a", clean, truth)]) == evaluate([Pair("a", clean, clean)])
    assert evaluate([Pair("a", truth, clean)]) == evaluate([Pair("a", clean, clean)])
    taken_in = analysis(cell(1, LEFT, "neutrophil"), cell(2, RIGHT, "neutrophil"))
    assert evaluate([Pair("a", taken_in, truth)]).objects.precision_70.n == 2


def test_the_cells_of_an_image_without_a_result_are_missed() -> None:
    truth = analysis(cell(1, LEFT, "eosinophil"), cell(2, RIGHT, "monocyte"))
    result = evaluate([Pair("a", truth, truth), Pair("b", None, truth)])
    assert (result.images, result.images_without_result) == (2, 1)
    assert (result.objects.recall_70.k, result.objects.recall_70.n) == (2, 4)
    assert (result.pixels.iou_wbc, result.pixels.iou_wbc_image_mean, result.pixels.bf_wbc_image_mean) == (0.5, 0.5, 0.5)
    assert result.naming is not None
    assert result.naming.accuracy.n == 2
    assert result.naming.found_and_named_recall.n == 4


def test_calibration_looks_at_the_most_probable_type_of_found_cells() -> None:
    truth = analysis(cell(1, LEFT, "neutrophil"), cell(2, MIDDLE, "lymphocyte"))
    found = analysis(
        cell(1, LEFT, "neutrophil", p=certain("neutrophil", 0.9)),
        cell(2, MIDDLE, "unidentified", p=certain("monocyte", 0.6)),
        cell(3, RIGHT, "monocyte", p=certain("monocyte", 0.7)),  # no true cell: not asked
    )
    naming = evaluate([Pair("a", found, truth)]).naming
    assert naming is not None
    assert naming.calibration_error == pytest.approx((0.1 + 0.6) / 2)


def test_nothing_at_all_is_undefined_and_warns_of_nothing() -> None:
    for pairs in ([], [Pair("a", analysis(), analysis())]):
        result = evaluate(pairs)
        assert result.objects.average_precision is None
        assert result.pixels.iou_wbc is None
        assert result.objects.recall_70.value is None
        assert result.naming is None
        assert "0/0" in result.table()


def test_pairs_are_taken_one_at_a_time() -> None:
    alive: list[int] = []

    class Watched(Analysis):
        def __del__(self) -> None:
            alive.pop()

    def pairs() -> Iterator[Pair]:
        for i in range(5):
            assert len(alive) <= 2, "an earlier image is still held"
            truth = analysis(cell(1, LEFT, "monocyte"))
            alive.append(i)
            yield Pair(str(i), Watched(truth.labels, truth.cells, truth.scale), truth)

    assert evaluate(pairs()).images == 5


def test_labels_of_another_size_are_refused_by_name() -> None:
    with pytest.raises(ResultsError, match=r"s1/a\.jpg.*\(60, 81\).*\(60, 80\)"):
        evaluate([Pair("s1/a.jpg", analysis(shape=(60, 81)), analysis())])


def test_an_evaluation_survives_json() -> None:
    truth = analysis(cell(1, LEFT, "neutrophil"), cell(2, RIGHT, "monocyte"))
    result = evaluate([Pair("a", analysis(cell(1, LEFT, "neutrophil", 0.9)), truth), Pair("b", None, analysis())])
    assert json.loads(result.to_json()) == result.to_dict()
    assert result.to_dict()["objects"]["recall_70"] == pytest.approx(
        {"k": 1, "n": 2, "value": 0.5, "ci_low": 0.0126, "ci_high": 0.9874}, abs=1e-4
    )
    assert Evaluation.model_validate_json(result.to_json()) == result


def test_the_table_shows_counts_intervals_and_the_tolerance() -> None:
    truth = analysis(cell(1, LEFT, "neutrophil"), cell(2, RIGHT, "monocyte"))
    table = evaluate([Pair("a", analysis(cell(1, LEFT, "neutrophil")), truth)]).table()
    lines = {line.split("  ")[0]: line for line in table.splitlines()}
    assert lines["cells found, box IoU 0.7"].endswith("1/2 = 50.0 % (1.3-98.7)")
    assert lines["IoU of WBC"].endswith("50.0 %; mean over images 50.0 %")
    assert "BF score of WBC, θ = 0.8 px" in lines
    assert lines["monocyte"].split() == ["monocyte", "0", "0", "0", "0", "0", "0", "1"]


def test_ids_need_not_be_the_same_or_without_gaps() -> None:
    truth = analysis(cell(1, LEFT, "neutrophil"), cell(2, RIGHT, "monocyte"))
    other = analysis(*(dataclasses.replace(c, cell_id=9 - 3 * c.cell_id) for c in truth.cells))
    assert evaluate([Pair("a", other, truth)]) == evaluate([Pair("a", truth, truth)])


# -- two results folders -----------------------------------------------------------------------------------------------

ORIGIN = Origin(segmenter="s", classifier="c", settings="x")
TRUTH = analysis(cell(1, LEFT, "neutrophil"), cell(2, RIGHT, "monocyte"))


def write(out: Path, image: str, result: Analysis | None, sha256: str = "abc", reviewed_by: str | None = None) -> None:
    source = InputFile(sha256=sha256)
    if result is None:
        write_failure(out, image, "damaged", source, ORIGIN)
    else:
        write_analysis(out, image, result, source, ORIGIN, reviewed_by=reviewed_by)


def test_folders_are_compared_over_their_shared_and_reviewed_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    results, truth = tmp_path / "results", tmp_path / "truth"
    for image in ("s1/a.png", "s1/b.png", "s2/c.png"):
        write(truth, image, TRUTH, reviewed_by="AB")
    write(truth, "not reviewed.png", TRUTH)
    write(results, "s1/a.png", analysis(cell(1, LEFT, "neutrophil", 0.9)))
    write(results, "s1/b.png", None)
    write(results, "not reviewed.png", TRUTH)
    write(results, "other.png", TRUTH)
    pairs = list(read_pairs(results, truth))
    assert [(pair.image, pair.found is None) for pair in pairs] == [("s1/a.png", False), ("s1/b.png", True)]
    recall = evaluate(pairs).objects.recall_70
    assert (recall.k, recall.n) == (1, 4)
    assert "1 of the 3 reviewed images" in caplog.text


def test_folders_that_share_nothing_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "truth", "a.png", TRUTH)
    write(tmp_path / "results", "a.png", TRUTH)
    with pytest.raises(UsageError, match="has 0 reviewed images"):
        list(read_pairs(tmp_path / "results", tmp_path / "truth"))


def test_a_folder_that_has_no_results_is_named(tmp_path: Path) -> None:
    write(tmp_path / "truth", "a.png", TRUTH, reviewed_by="AB")
    for folders in (("truth", "nowhere"), ("nowhere", "truth")):
        with pytest.raises(ResultsError, match="nowhere is not a results folder"):
            list(read_pairs(*(tmp_path / name for name in folders)))


def test_results_of_another_file_of_the_same_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "truth", "a.png", TRUTH, reviewed_by="AB")
    write(tmp_path / "results", "a.png", TRUTH, sha256="def")
    with pytest.raises(ResultsError, match=r"a\.png is another file"):
        list(read_pairs(tmp_path / "results", tmp_path / "truth"))
