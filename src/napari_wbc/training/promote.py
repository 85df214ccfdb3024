"""Whether a new model may take the place of an old one: both judged on the same held-out cells or images, by a paired test."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.stats import binomtest, wilcoxon

SIGNIFICANCE = 0.05
"""A new model is worse if what was seen, or more of it, has at most this chance where the two are equal (one-sided)."""


class Comparison(BaseModel):
    """An old model against a new one on the same n cells or images; `better` and `worse` of them changed."""

    model_config = ConfigDict(frozen=True)

    test: str
    score: str
    n: int
    old: float
    new: float
    better: int
    worse: int
    p_value: float

    @property
    def promoted(self) -> bool:
        """Whether the new model may take the place of the old one: it is not significantly worse."""
        return not (self.new < self.old and self.p_value <= SIGNIFICANCE)

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{self.score} {100 * self.old:.1f} → {100 * self.new:.1f} % on {self.n} held out: "
            f"{self.better} better, {self.worse} worse, p = {self.p_value:.3g} ({self.test}, one-sided)"
        )


def compare_right(old: npt.NDArray[np.float64], new: npt.NDArray[np.float64]) -> Comparison:
    """McNemar's exact test on cells named right (1) or wrong (0) by the two models; (N,) each."""
    better, worse = int(((new > 0.5) & (old < 0.5)).sum()), int(((new < 0.5) & (old > 0.5)).sum())
    changed = better + worse
    p = float(binomtest(worse, changed, 0.5, alternative="greater").pvalue) if changed else 1.0
    return _comparison("McNemar, exact", "cells named right", old, new, better, worse, p)


def compare_iou(old: npt.NDArray[np.float64], new: npt.NDArray[np.float64]) -> Comparison:
    """Wilcoxon's paired test on the IoU of the WBC in each image by the two models; (N,) each."""
    difference = new - old
    changed = difference[difference != 0]
    p = float(wilcoxon(changed, alternative="less").pvalue) if len(changed) else 1.0
    return _comparison("Wilcoxon, paired", "mean IoU by image", old, new, int((changed > 0).sum()), int((changed < 0).sum()), p)


def _comparison(test: str, score: str, old: Any, new: Any, better: int, worse: int, p_value: float) -> Comparison:
    means = {"old": float(np.mean(old)), "new": float(np.mean(new))}
    return Comparison(test=test, score=score, n=len(old), better=better, worse=worse, p_value=p_value, **means)
