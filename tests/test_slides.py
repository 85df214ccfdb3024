"""Slides are analysed tile by tile, and the tiles do not show."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from threading import Barrier, Lock
from time import sleep

import numpy as np
import pytest
import tifffile
from shapely.geometry import shape

from napari_wbc import pyramids
from napari_wbc.batch import runner, slide_work
from napari_wbc.batch.discover import InputImage
from napari_wbc.batch.intake import load
from napari_wbc.batch.job import Job, Rows, describe
from napari_wbc.batch.reproduce import compare
from napari_wbc.batch.runner import run
from napari_wbc.batch.verify import verify
from napari_wbc.batch.work import Here
from napari_wbc.cells import Box, Probabilities, RgbImage
from napari_wbc.config import Settings
from napari_wbc.errors import ModelMemoryError, StorageError, UnreadableImageError
from napari_wbc.exchange.transfer import export_results
from napari_wbc.nets import load_models
from napari_wbc.pipeline import Models, Step, analyse, finish
from napari_wbc.pyramids import open_pyramid
from napari_wbc.results import labels_path, read_analysis, read_record, unfinished
from napari_wbc.results.folder import commit
from napari_wbc.slides import SlideAnalysis, analyse_slide_steps
from napari_wbc.slides.plan import may_hold_nucleus, plan_steps
from napari_wbc.slides.seams import owned
from napari_wbc.synthetic import draw_field
from napari_wbc.tiling import Window
from tests.fakes import FakeClassifier, FakeSegmenter, load_fakes
from tests.runs import contract, counts, go, images, timeless
from tests.steps import watch

GLASS = (235, 225, 230)
SETTINGS = Settings(um_per_px=0.17, min_area_px=20, max_megapixels=0.5)


def draw(height: int, width: int, centres: list[tuple[float, float]], radius: float = 18.0) -> RgbImage:
    """Purple discs on glass."""
    image = np.full((height, width, 3), GLASS, dtype=np.uint8)
    for y, x in centres:
        top, left = max(0, int(y - radius)), max(0, int(x - radius))
        near = image[top : int(y + radius) + 2, left : int(x + radius) + 2]
        rows, columns = np.ogrid[top : top + near.shape[0], left : left + near.shape[1]]
        near[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = (90, 50, 180)
    return image


def crowded(height: int = 1100, width: int = 700, seed: int = 0) -> RgbImage:
    """Discs wherever a seam may run; some are cut by the border."""
    rng = np.random.default_rng(seed)
    places = [(y, x) for y in range(10, height, 75) for x in range(10, width, 75) if rng.random() < 0.7]
    return draw(height, width, [(y + rng.uniform(-15, 15), x + rng.uniform(-15, 15)) for y, x in places])


def write(path: Path, image: RgbImage, **options: object) -> Path:
    tifffile.imwrite(path, image, tile=(128, 128), photometric="rgb", compression="zlib", **options)
    return path


def write_levels(path: Path, image: RgbImage, n_levels: int, um_per_px: float) -> Path:
    """An OME-TIFF pyramid, each level half as large as the one before."""
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as tiff:
        size = {f"PhysicalSize{axis}": um_per_px for axis in "XY"} | {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
        options = {"tile": (128, 128), "photometric": "rgb"}
        tiff.write(image, subifds=n_levels - 1, metadata={"axes": "YXS", **size}, **options)
        for level in range(1, n_levels):
            tiff.write(image[:: 2**level, :: 2**level], subfiletype=1, metadata=None, **options)
    return path


def analyse_slide(path: Path, settings: Settings = SETTINGS, tile_px: int = 768) -> SlideAnalysis:
    with open_pyramid(path) as slide:
        return finish(analyse_slide_steps(slide, load_fakes(), settings, tile_px))


def whole(found: SlideAnalysis) -> np.ndarray:
    return found.outlines.paint(Box(0, 0, *found.outlines.shape))


@pytest.mark.parametrize("tile_px", [256, 400, 2000])
def test_the_cells_are_those_of_the_image_in_one_piece_whatever_the_tiles(tile_px: int, tmp_path: Path) -> None:
    image = crowded()
    alone = analyse(image, load_fakes(), SETTINGS)
    found = analyse_slide(write(tmp_path / "a.tif", image), tile_px=tile_px)
    assert len(alone.cells) > 80
    assert [cell.cell_id for cell in found.cells] == list(range(1, len(alone.cells) + 1))
    by_place = {cell.box: cell for cell in alone.cells}
    labels = whole(found)
    for cell in found.cells:
        same = by_place[cell.box]
        assert (cell.area_px, cell.centroid_x, cell.centroid_y) == (same.area_px, same.centroid_x, same.centroid_y)
        assert (cell.touches_border, cell.cell_type, cell.nc_ratio) == (same.touches_border, same.cell_type, same.nc_ratio)
        assert ((labels[cell.box.slices] == cell.cell_id) == (alone.labels[cell.box.slices] == same.cell_id)).all()
    assert ((labels > 0) == (alone.labels > 0)).all()


class Dawdler(FakeSegmenter):
    """Its first three calls wait for each other, and every other one takes longer than the next."""

    def __init__(self) -> None:
        self.calls, self.three = count(), Barrier(3, timeout=60)

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        call = next(self.calls)
        if call < 3:
            self.three.wait()
        sleep(0.05 * (call % 2))
        return super().__call__(images)


def test_tiles_that_are_looked_at_together_give_the_same_cells(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", crowded())
    with open_pyramid(path) as slide:
        models = Models(Dawdler(), load_fakes().classifier)
        together = finish(analyse_slide_steps(slide, models, SETTINGS, 256, at_once=3))
    alone = analyse_slide(path, tile_px=256)
    assert together.cells == alone.cells
    assert (whole(together) == whole(alone)).all()


def test_the_networks_of_the_program_give_the_same_cells_in_several_threads(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", draw_field(np.random.default_rng(2), (900, 1400), 8, um_per_px=0.1).image)
    models = load_models(device="cpu")
    with open_pyramid(path) as slide:
        alone, together = (finish(analyse_slide_steps(slide, models, Settings(um_per_px=0.1), 448, at_once=n)) for n in (1, 3))
    assert (len(alone.cells), alone.n_tiles > 4) == (8, True)
    assert together.cells == alone.cells
    assert (whole(together) == whole(alone)).all()


class Narrow(FakeSegmenter):
    """Has room for one image at a time."""

    def __init__(self) -> None:
        self.room = Lock()

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        if not self.room.acquire(blocking=False):
            raise ModelMemoryError("no room")
        try:
            sleep(0.02)
            return super().__call__(images)
        finally:
            self.room.release()


def test_tiles_that_do_not_fit_into_memory_together_are_looked_at_one_by_one(tmp_path: Path) -> None:
    path, out = tmp_path / "a.btf", tmp_path / "out"
    write(path, crowded())
    models, job = (
        Models(Narrow(), load_fakes().classifier),
        Job(out, path.parent, SETTINGS, describe(load_fakes()), tiles_at_once=3),
    )
    loaded = load(InputImage("a.btf", path), 150)
    _, found = watch(slide_work.analyse_slide(loaded, path, models, job, 256))
    assert isinstance(found, SlideAnalysis)
    alone = analyse_slide(path, tile_px=256)
    assert (found.cells, found.n_tiles) == (alone.cells, alone.n_tiles)


def test_empty_tiles_are_skipped_and_cost_no_network(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", draw(1500, 1500, [(200, 200), (750, 760)]))
    found = analyse_slide(path, tile_px=320)
    assert (len(found.cells), found.n_tiles) == (2, 121)
    assert 121 - found.n_skipped <= 18  # the tiles that see a disc
    assert analyse_slide(write(tmp_path / "b.tif", draw(1200, 1200, []))).cells.cells == ()


def test_a_tile_of_red_cells_alone_is_skipped_and_a_pale_nucleus_is_not() -> None:
    view = np.full((200, 200, 3), GLASS, dtype=np.uint8)
    view[50:90, 50:90] = (225, 150, 160)
    assert not may_hold_nucleus(view, 0.17, 235.0)
    view[120:145, 120:145] = (195, 140, 200)
    assert may_hold_nucleus(view, 0.17, 235.0)
    assert not may_hold_nucleus(np.full((4, 4, 3), GLASS, dtype=np.uint8), 0.17, 235.0)


def test_a_cell_belongs_to_one_tile_and_keeps_the_pixels_of_earlier_ones() -> None:
    tile = Window(Box(0, 0, 100, 100), Box(0, 0, 100, 60))
    labels, known = np.zeros((100, 100), np.int32), np.zeros((100, 100), np.int32)
    labels[10:20, 10:20] = 1
    labels[10:20, 58:68] = 2  # centre at 63: within the seam
    labels[10:20, 70:80] = 3  # the next tile's
    labels[40:50, 10:20], known[40:50, 12:25] = 4, 9  # an earlier tile has it
    labels[60:70, 10:20], known[60:70, 18:30] = 5, 8  # touches one of an earlier tile
    expected = np.where(np.isin(labels, (1, 2, 5)) & (known == 0), labels, 0)
    assert (owned(labels, tile, known, 4.0) == expected).all()


@pytest.mark.parametrize(("um_per_px", "level"), [(0.17, 0), (0.1, 0), (0.084, 1), (0.06, 1), (0.04, 2), (0.02, 2)])
def test_the_level_is_the_coarsest_that_is_fine_enough(um_per_px: float, level: int, tmp_path: Path) -> None:
    image = draw(1024, 1024, [(500, 500)], 40)
    with open_pyramid(write_levels(tmp_path / "a.ome.tif", image, 3, um_per_px)) as slide:
        plan = finish(plan_steps(slide, load_fakes(), Settings()))
        assert slide.shapes == ((1024, 1024), (512, 512), (256, 256))
    assert (plan.scale.source, plan.scale.um_per_px, plan.level) == ("file", um_per_px, level)


def test_outlines_found_at_a_coarse_level_are_native(tmp_path: Path) -> None:
    image = draw(1600, 1600, [(300, 400), (801, 799), (1210, 700)], 60)
    found = analyse_slide(write_levels(tmp_path / "a.ome.tif", image, 3, 0.05), Settings(min_area_px=20), tile_px=320)
    purple = image[..., 1] == 50
    labels = whole(found) > 0
    assert len(found.cells) == 3
    assert (labels & purple).sum() / (labels | purple).sum() > 0.93
    assert [round(cell.centroid_y) for cell in found.cells] == pytest.approx([300, 801, 1210], abs=2)


def test_progress_is_told_for_every_tile(tmp_path: Path) -> None:
    with open_pyramid(write(tmp_path / "a.tif", crowded())) as slide:
        steps = [step for step in analyse_slide_steps(slide, load_fakes(), SETTINGS, 512) if step.stage == "tile"]
    assert steps == [Step("tile", i, len(steps)) for i in range(len(steps))]
    assert len(steps) == 6


# -- slides among the images of a run ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A slide, a truncated one, and a field."""
    where = tmp_path / "in"
    (where / "s1").mkdir(parents=True)
    whole_slide = write(where / "s1" / "whole.tif", crowded()).read_bytes()
    (where / "cut.btf").write_bytes(whole_slide[: len(whole_slide) // 2])
    write(where / "s1" / "field.tif", draw(200, 300, [(100, 150)]))
    return where


@pytest.mark.parametrize(("workers", "at_once"), [(0, 1), (2, 1), (6, 2), (9, 3), (64, 4)])
def test_processors_that_have_no_image_of_their_own_look_at_tiles_of_slides(
    workers: int, at_once: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []

    class Noting(Here):
        def work(self, images: Sequence[InputImage], job: Job) -> Rows:
            jobs.append(job)
            return super().work(images, job)

    monkeypatch.setattr(runner, "_hire", lambda load, *_: Noting(load()))
    watch(run(folder, tmp_path / "out", load_fakes, SETTINGS, workers=workers))
    assert [job.tiles_at_once for job in jobs] == [at_once]


def test_a_folder_of_slides_and_fields_is_one_run(folder: Path, tmp_path: Path) -> None:
    summary = go(folder, tmp_path / "out", settings=SETTINGS)
    rows = images(tmp_path / "out")
    assert (summary.exit_code, counts(tmp_path / "out")) == (1, {"done": 2, "failed": 1})
    assert "truncated" in str(rows["cut.btf"]["error"])
    assert {name: row["slide"] for name, row in rows.items()} == {
        "cut.btf": "cut.btf", "s1/field.tif": "s1", "s1/whole.tif": "s1/whole.tif"
    }  # fmt: skip
    alone = analyse(crowded(), load_fakes(), SETTINGS)
    found = read_analysis(tmp_path / "out", "s1/whole.tif")
    assert ((found.labels > 0) == (alone.labels > 0)).all()
    assert (found.labels.dtype, len(found.cells)) == (np.int32, len(alone.cells))
    with tifffile.TiffFile(labels_path(tmp_path / "out", "s1/whole.tif")) as tiff:
        levels = [level.asarray() for level in tiff.series[0].levels]
        assert tiff.is_ome
        assert tiff.series[0].keyframe.is_tiled
    assert len(levels) == 2
    assert (levels[1] == levels[0][::2, ::2]).all()
    assert counts_again(folder, tmp_path / "out") == {"skipped": 3}


def counts_again(inputs: Path, out: Path) -> dict[str, int]:
    go(inputs, out, settings=SETTINGS)
    return counts(out)


class Killed(BaseException):
    pass


class Counting(FakeSegmenter):
    """Counts what it sees, and dies at the picture after so many."""

    def __init__(self, most: int = 10**6) -> None:
        self.most = most
        self.seen = 0

    def __call__(self, given: Sequence[RgbImage]) -> list[Probabilities]:
        if self.seen == self.most:
            raise Killed
        self.seen += 1
        return super().__call__(given)


def counted(inputs: Path, out: Path, segmenter: Counting, settings: Settings = SETTINGS) -> int:
    """What a run's segmenter sees."""
    go(inputs, out, lambda: Models(segmenter, FakeClassifier()), settings)
    return segmenter.seen


@pytest.fixture
def slide_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One slide of 8 tiles, which are kept by twos."""
    monkeypatch.setattr(unfinished, "TILES_PER_FILE", 2)
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "a.tif", crowded(780, 2000))
    return tmp_path / "in"


@pytest.mark.parametrize("most", [1, 2, 7])
def test_a_slide_that_was_stopped_is_continued_and_gives_the_same_bytes(slide_folder: Path, tmp_path: Path, most: int) -> None:
    out = tmp_path / "out"
    assert counted(slide_folder, tmp_path / "whole", Counting()) == 8
    with pytest.raises(Killed):
        counted(slide_folder, out, Counting(most))
    assert not (out / "records" / "a.tif.json").exists()
    assert counted(slide_folder, out, Counting()) == 8 - most // 2 * 2
    assert contract(out) == contract(tmp_path / "whole")
    assert timeless(out) == timeless(tmp_path / "whole")
    assert not (out / "unfinished").exists()


def test_tiles_of_other_settings_or_damaged_ones_are_not_used(slide_folder: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", SETTINGS.model_copy(update={"min_area_px": 30})
    with pytest.raises(Killed):
        counted(slide_folder, out, Counting(7))
    kept = sorted((out / "unfinished" / "a.tif").iterdir())
    assert [path.name for path in kept] == [f"{i}.json" for i in range(3)]
    kept[1].write_bytes(kept[1].read_bytes()[:-9])
    with pytest.raises(Killed):
        counted(slide_folder, out, Counting(5))  # with the two in the first file 7 of 8
    with pytest.raises(Killed):
        counted(slide_folder, out, Counting(2), other)
    assert counted(slide_folder, out, Counting(), other) == 6
    counted(slide_folder, tmp_path / "once", Counting(), other)
    assert contract(out) == contract(tmp_path / "once")


def test_tiles_left_beside_a_committed_slide_are_removed(slide_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        counted(slide_folder, tmp_path / "out", Counting(3))
    shutil.copytree(tmp_path / "out" / "unfinished", tmp_path / "copy")
    go(slide_folder, tmp_path / "out", settings=SETTINGS)
    shutil.copytree(tmp_path / "copy", tmp_path / "out" / "unfinished")
    assert [f.file for f in finish(verify(tmp_path / "out", load_fakes, 0)).findings] == ["unfinished/a.tif"]
    go(slide_folder, tmp_path / "out", settings=SETTINGS)
    assert not (tmp_path / "out" / "unfinished").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_tells_how_far_a_slide_is(slide_folder: Path, tmp_path: Path, workers: int) -> None:
    steps, _ = watch(run(slide_folder, tmp_path / "out", load_fakes, SETTINGS, workers=workers))
    assert [(s.status, s.done, s.tile, s.tiles) for s in steps] == [
        *(("working", 0, i, 8) for i in range(8)), ("done", 1, 0, 0)
    ]  # fmt: skip


def test_a_full_disk_in_the_middle_of_a_slide_stops_the_run(
    slide_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "out", os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == "2.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(StorageError, match="the disk is full"):
        go(slide_folder, out, settings=SETTINGS)
    monkeypatch.setattr(os, "replace", real)
    assert counted(slide_folder, out, Counting()) == 8 - 4


def test_a_drive_that_goes_in_the_middle_of_a_slide_stops_the_run_and_keeps_its_tiles(
    slide_folder: Path, tmp_path: Path
) -> None:
    class Leaving(FakeSegmenter):
        seen = 0

        def __call__(self, given: Sequence[RgbImage]) -> list[Probabilities]:
            self.seen += 1
            if self.seen == 5:
                slide_folder.rename(tmp_path / "away")
                raise UnreadableImageError("a.tif: a tile cannot be read")
            return super().__call__(given)

    out = tmp_path / "out"
    with pytest.raises(StorageError, match="The folder of the images has gone"):
        go(slide_folder, out, lambda: Models(Leaving(), FakeClassifier()), SETTINGS)
    assert not (out / "records" / "a.tif.json").exists()
    (tmp_path / "away").rename(slide_folder)
    assert counted(slide_folder, out, Counting()) == 8 - 4


def test_a_flat_image_beyond_the_budget_stays_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", crowded(), photometric="rgb", compression="zlib")
    go(tmp_path / "in", tmp_path / "out", settings=SETTINGS)
    assert "more than max_megapixels" in str(images(tmp_path / "out")["a.tif"]["error"])
    assert read_record(tmp_path / "out", "a.tif").row.status == "failed"


def test_what_a_slide_is_goes_by_suffix_or_by_tiles_and_size(tmp_path: Path) -> None:
    tiled = write(tmp_path / "a.tif", crowded())
    assert pyramids.is_slide(tiled, 0.5)
    assert not pyramids.is_slide(tiled, 2.0)
    assert pyramids.is_slide(tmp_path / "missing.SVS", 2.0)
    for data in (b"II*\0 no TIFF", b"II*", b""):
        (tmp_path / "b.tif").write_bytes(data)
        assert not pyramids.is_slide(tmp_path / "b.tif", 1.0)


def test_verify_analyses_a_slide_again_and_notices_what_is_not_reproducible(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(folder, out, settings=SETTINGS)
    image = InputImage("s1/whole.tif", folder / "s1" / "whole.tif")
    assert compare(out, image, load_fakes(), SETTINGS) is None
    record = read_record(out, image.name)
    commit(out, record.model_copy(update={"cells": record.cells[1:]}))
    assert "recorded" in str(compare(out, image, load_fakes(), SETTINGS))


def test_geojson_of_a_slide_has_the_area_of_every_cell(folder: Path, tmp_path: Path) -> None:
    go(folder, tmp_path / "out", settings=SETTINGS)
    for _ in export_results("geojson", tmp_path / "out", tmp_path / "exported"):
        pass
    features = json.loads((tmp_path / "exported" / "s1" / "whole.tif.geojson").read_bytes())["features"]
    cells = read_record(tmp_path / "out", "s1/whole.tif").cells
    assert [shape(feature["geometry"]).area for feature in features] == [cell.area_px for cell in cells]
