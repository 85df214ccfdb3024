"""Made-up results folders for tests of the exchange, and random label images."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as Pillow

from napari_wbc.cells import Analysis, Box, Cell, CellTable, Labels, Scale
from napari_wbc.config import CELL_TYPES, Settings
from napari_wbc.exchange.merging import merge
from napari_wbc.exchange.told import Known, Told
from napari_wbc.exchange.transfer import Transfer, export_results, import_into
from napari_wbc.measure import measure
from napari_wbc.nucleus import nucleus_areas_px
from napari_wbc.pipeline import finish
from napari_wbc.results import read_analysis, read_record, write_analysis
from napari_wbc.results.pixels import Pixels
from napari_wbc.results.record import ImageRow, InputFile, Origin, Record
from napari_wbc.results.runfile import Model, begin, relative_root, write_run

ORIGIN = Origin(segmenter="s", classifier="c", settings="x")
TYPES = (*CELL_TYPES, "unidentified", "artefact")
IMAGE = "slide 1/a.jpg.png"

quick = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
"""For properties that write files, on machines that do other things too."""


def label_images(max_side: int = 14) -> st.SearchStrategy[Labels]:
    """Random labels with gaps in the ids: touching cells, pieces, holes, single pixels, lines, cells at the border."""
    shapes = st.tuples(st.integers(1, max_side), st.integers(1, max_side))
    return shapes.flatmap(lambda shape: arrays.arrays(np.int32, shape, elements=st.sampled_from([0, 0, 1, 2, 3, 7, 300])))


def ring(shape: tuple[int, int] = (40, 60)) -> Labels:
    """Cell 1: a square with a hole; cell 2 in the hole; cell 5: a disc that touches 1; cell 9: at the border."""
    labels = np.zeros(shape, dtype=np.int32)
    labels[5:20, 5:20] = 1
    labels[9:16, 9:16] = 0
    labels[11:14, 11:14] = 2
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    labels[((rows - 12) ** 2 + (columns - 27) ** 2 < 50) & (labels == 0)] = 5
    labels[34:40, 50:60] = 9
    return labels


def pixels_for(labels: Labels) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(30, 220, (*labels.shape, 3)).astype(np.uint8)


def as_analysis(labels: Labels, types: Sequence[str | None] = TYPES) -> Analysis:
    """Measured cells with types in turn and made-up probabilities."""
    pixels = pixels_for(labels)
    scores = {int(i): 0.9 for i in np.unique(labels) if i}
    measured = measure(pixels, labels, scores, 0.1, nucleus_areas_px(pixels, labels))
    named = tuple(
        dataclasses.replace(
            cell, cell_type=types[i % len(types)], p=(0.5, 0.2, 0.1, 0.1, 0.1), margin=0.3, none_of_five_score=0.02
        )
        for i, cell in enumerate(measured)
    )
    return Analysis(labels, CellTable(named), Scale(0.1, 0.6, "file"))


def known_of(analysis: Analysis, image: str = IMAGE) -> Known:
    """What is known of an image after an analysis."""
    height, width = analysis.labels.shape
    um_per_px = analysis.scale.um_per_px
    row = ImageRow(image=image, slide=".", status="done", width=width, height=height, um_per_px=um_per_px)
    return Known(row, analysis.cells, Pixels.of(analysis.labels), lambda: Pixels.of(pixels_for(analysis.labels)))


def merged(analysis: Analysis, told: Told) -> Analysis:
    """The analysis after what was told of its image."""
    found = merge(known_of(analysis), told)
    labels = analysis.labels if found.labels is None else found.labels.paint(Box(0, 0, *analysis.labels.shape))
    return dataclasses.replace(analysis, labels=labels, cells=found.cells)


def make_results(folder: Path, images: Mapping[str, Labels | Analysis], **values: Any) -> Path:
    """`folder/images` and `folder/results` of these labels or analyses."""
    root, out = folder / "images", folder / "results"
    for image, what in images.items():
        analysis = what if isinstance(what, Analysis) else as_analysis(what)
        path = root / image
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(pixels_for(analysis.labels)).save(path, format="PNG")
        source = InputFile(sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size=path.stat().st_size, mtime_ns=1)
        write_analysis(out, image, analysis, source, ORIGIN, **values)
    model = Model(name="m", identity="m")
    write_run(out, begin(relative_root(root, out), Settings(), model, model, "cpu", 0))
    return out


def emptied(folder: Path, images: Mapping[str, Labels | Analysis]) -> Path:
    """The same results, as if no cell had been found."""
    shapes = {name: (what.labels if isinstance(what, Analysis) else what).shape for name, what in images.items()}
    return make_results(folder, {name: np.zeros(shape, dtype=np.int32) for name, shape in shapes.items()})


def export(name: str, out: Path, dst: Path) -> Path:
    transfer = finish(export_results(name, out, dst))
    assert transfer.exit_code == 0
    return dst


def bring_in(name: str, src: Path, out: Path) -> Transfer:
    return finish(import_into(name, src, out))


def one_failure(name: str, src: Path, out: Path) -> str:
    """The message of the one image that failed."""
    seen = list(import_into(name, src, out))
    assert [step.status for step in seen] == ["failed"]
    assert seen[0].error is not None
    return seen[0].error


def state(out: Path) -> dict[str, bytes]:
    """All files of a folder, by path."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def cells_of(out: Path, image: str = IMAGE) -> dict[int, Cell]:
    return {cell.cell_id: cell for cell in read_analysis(out, image).cells}


def labels_of(out: Path, image: str = IMAGE) -> Labels:
    return read_analysis(out, image).labels


def record_of(out: Path, image: str = IMAGE) -> Record:
    return read_record(out, image)
