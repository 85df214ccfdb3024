"""The figures of a cross-validation: over the answers of all folds together, and mean ± standard deviation over folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..config import CELL_TYPES, UNIDENTIFIED
from ..evaluate.against_truth import naming_figures, object_figures, pixel_figures
from ..evaluate.compare import MISSED, N_TYPES, UNNAMED, Compared
from ..evaluate.figures import (
    NamingFigures,
    ObjectFigures,
    PixelFigures,
    aligned,
    confusion_lines,
    naming_lines,
    object_lines,
    percent,
    pixel_lines,
)
from ..metrics.cell_types import type_confusion
from ..nets.classifier import OTHER
from ..proportion import Proportion
from .out_of_fold import FoldResult, Named
from .recipes import What
from .split import By

ROWS = {name: i for i, name in enumerate((*CELL_TYPES, OTHER))}
COLUMNS = {name: i for i, name in enumerate((*CELL_TYPES, UNIDENTIFIED))}

SPREAD: dict[What, dict[str, str]] = {
    "segmenter": {
        "mean_accuracy": "mean accuracy of pixels",
        "mean_iou": "mean IoU, background included",
        "iou_wbc": "IoU of WBC",
        "dice_wbc": "Dice of WBC",
        "iou_wbc_image_mean": "IoU of WBC, mean over images",
        "dice_wbc_image_mean": "Dice of WBC, mean over images",
        "bf_wbc_image_mean": "BF score of WBC, mean over images",
        "average_precision": "AP at box IoU 0.7",
    },
    "classifier": {
        "accuracy": "named right, micro recall",
        "micro_precision": "micro precision",
        "micro_specificity": "micro specificity",
        "micro_f1": "micro F1",
        "macro_precision": "macro precision",
        "macro_recall": "macro recall",
        "macro_specificity": "macro specificity",
        "macro_f1": "macro F1",
        "calibration_error": "calibration error",
    },
}
"""The figures that are told by fold, and what they are called."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Spread(_Frozen):
    """One figure by fold, with mean and standard deviation (n − 1) over the folds where it is defined; shares 0..1."""

    by_fold: tuple[float | None, ...]
    mean: float | None
    sd: float | None

    def __str__(self) -> str:
        """`98.9 ± 1.0 %`."""
        if self.mean is None or self.sd is None:
            return percent(self.mean)
        return f"{100 * self.mean:.1f} ± {100 * self.sd:.1f} %"


class CrossValidation(_Frozen):
    """The figures over all answers, each by a network that has not learnt from its image, and by fold.

    `fine_tuned` says that each fold began with a finished model, which may have learnt from some of the images before.
    A segmenter has `pixels` and `objects`. A classifier has `naming`, in whose confusion matrix the last row is the cells
    that are none of the five types, and the last column, the missed cells, is empty: the boxes are given.
    `none_of_five` is the share of those cells that are called `unidentified`.
    """

    what: What
    recipe: str
    begins_with: str
    fine_tuned: bool
    by: By
    seed: int
    folds: int
    images: int
    cells: int
    best_epochs: tuple[int, ...]
    by_fold: dict[str, Spread]
    pixels: PixelFigures | None = None
    objects: ObjectFigures | None = None
    naming: NamingFigures | None = None
    none_of_five: Proportion | None = None

    def table(self) -> str:
        """The figures as text, one a line; intervals are 95 % Clopper-Pearson."""
        lines = [
            (self.what, f"{self.cells} cells in {self.images} images, {self.folds} folds by {self.by}, seed {self.seed}"),
            ("recipe, each fold begins with", f"{self.recipe}, {self.begins_with}"),
        ]
        if self.pixels is not None and self.objects is not None:
            lines += pixel_lines(self.pixels) + object_lines(self.objects)
        if self.naming is not None:
            lines += [("cells named right", str(self.naming.accuracy)), *naming_lines(self.naming)]
        if self.none_of_five is not None and self.none_of_five.n:
            lines += [("none of the five, so called", str(self.none_of_five))]
        names = SPREAD[self.what]
        spread = [(names[key], str(value)) for key, value in self.by_fold.items()]
        if self.fine_tuned:
            lines += [("note", "images that the model to begin with has learnt from make the figures too good")]
        parts = ["All folds together", aligned(lines), "", "Mean ± standard deviation over the folds", aligned(spread)]
        if self.naming is not None:
            rows = [row[:MISSED] for row in self.naming.confusion]
            parts += ["", *confusion_lines(rows, (*CELL_TYPES, "none of five"), (*CELL_TYPES, UNIDENTIFIED))]
        return "\n".join(parts)


def pool(results: Sequence[FoldResult], **facts: Any) -> CrossValidation:
    """The figures of a cross-validation from the results of its folds.

    Parameters
    ----------
    facts
        The other fields of `CrossValidation`.
    """
    answers = [answer for result in results for answer in result.answers]
    return CrossValidation(
        **facts,
        folds=len(results),
        images=len({answer.image for answer in answers}),
        cells=sum(len(answer.outlines) if isinstance(answer, Compared) else 1 for answer in answers),
        best_epochs=tuple(result.best_epoch for result in results),
        by_fold={name: spread([_figures(r.answers).get(name) for r in results]) for name in SPREAD[facts["what"]]},
        **_together(answers),
    )


def spread(values: Sequence[float | None]) -> Spread:
    """Mean and standard deviation of one figure over folds."""
    defined = [value for value in values if value is not None]
    return Spread(
        by_fold=tuple(values),
        mean=float(np.mean(defined)) if defined else None,
        sd=float(np.std(defined, ddof=1)) if len(defined) > 1 else None,
    )


def _together(answers: Sequence[Named | Compared]) -> dict[str, Any]:
    """The figures of answers: all of a segmenter or all of a classifier."""
    images = [answer for answer in answers if isinstance(answer, Compared)]
    cells = [answer for answer in answers if isinstance(answer, Named)]
    if not cells:
        return {"pixels": pixel_figures(images), "objects": object_figures(images)}
    true, named = [ROWS[cell.true] for cell in cells], [COLUMNS[cell.named] for cell in cells]
    types = type_confusion(true, named, (N_TYPES + 1, N_TYPES + 2))
    five = [(ROWS[cell.true], np.asarray(cell.p)) for cell in cells if cell.true != OTHER]
    calibration = [(float(p.max()), bool(p.argmax() == true)) for true, p in five]
    none = Proportion(k=int(types[N_TYPES, UNNAMED]), n=int(types[N_TYPES].sum()))
    return {"naming": naming_figures(types, calibration), "none_of_five": none}


def _figures(answers: Sequence[Named | Compared]) -> dict[str, float | None]:
    """The single numbers among the figures of one fold."""
    found: dict[str, float | None] = {}
    for figures in _together(answers).values():
        for name, value in figures:
            if isinstance(value, Proportion):
                found[name] = value.value
            elif isinstance(value, float | None):
                found[name] = value
    return found
