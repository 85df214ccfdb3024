"""A demonstration on drawn smears, whose cells are known: draw, analyse, compare with the truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ..cells import Analysis, CellTable, Scale
from ..errors import UsageError
from ..evaluate import Evaluation, Pair, evaluate
from ..measure import measure
from ..results import images_in, read_analysis, read_record
from ..results.runfile import names_in
from ..synthetic import Drawn, write_smears

N_SLIDES, N_FIELDS, SEED = 2, 4, 20
"""Size of the demonstration: half a minute on two cores."""


@dataclasses.dataclass(frozen=True)
class Demo:
    """Where the drawn images are, where the results go, and what was drawn, by name of image."""

    images: Path
    results: Path
    truth: dict[str, Drawn]


def draw(out: Path) -> Demo:
    """Draw the smears into `out/images`; `out/results` is for the results.

    Raises
    ------
    UsageError
        If `out` is not empty, or no folder that can be looked at.
    StorageError
        If `out` cannot be written.
    """
    if names_in(out):
        raise UsageError(f"{out} is not an empty folder. Name a new folder for the demonstration.")
    images = out / "images"
    drawn = write_smears(out, N_SLIDES, N_FIELDS, SEED)
    return Demo(images, out / "results", {path.relative_to(images).as_posix(): what for path, what in drawn})


def compare_with_truth(demo: Demo) -> Evaluation:
    """How well the results meet what was drawn."""
    analysed = {image for image in images_in(demo.results) if read_record(demo.results, image).row.status == "done"}
    return evaluate(
        Pair(image, read_analysis(demo.results, image) if image in analysed else None, as_analysis(drawn))
        for image, drawn in demo.truth.items()
    )


def as_analysis(drawn: Drawn) -> Analysis:
    """What was drawn, as a perfect analysis would give it."""
    measured = measure(drawn.image, drawn.labels, {}, drawn.um_per_px)
    cells = tuple(dataclasses.replace(cell, cell_type=drawn.cell_types[cell.cell_id]) for cell in measured)
    return Analysis(drawn.labels, CellTable(cells), Scale(drawn.um_per_px, 1.0, "user"))
