"""How well the named types agree with the true ones: confusion, one type against the rest, calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .ratios import Confusion, Floats, divide, mean_of_defined


def type_confusion(true: npt.ArrayLike, predicted: npt.ArrayLike, shape: tuple[int, int]) -> Confusion:
    """Count the cells of every pair of true type i and predicted type j.

    Parameters
    ----------
    true, predicted
        (N,) integer indices.
    shape
        Of the matrix. Indices beyond the types stand for what is none of them: no true cell, not identified, missed.

    Returns
    -------
    `shape` int64. Matrices of several images or folds may be added: the pooled matrix.
    """
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, (np.asarray(true, dtype=np.intp), np.asarray(predicted, dtype=np.intp)), 1)
    return counts


@dataclass(frozen=True, eq=False)
class OneAgainstRest:
    """Right and wrong decisions when each of K types is told from all the rest; arrays (K,) int64."""

    true_positive: npt.NDArray[np.int64]
    false_positive: npt.NDArray[np.int64]
    false_negative: npt.NDArray[np.int64]
    true_negative: npt.NDArray[np.int64]

    @property
    def occurs(self) -> npt.NDArray[np.bool_]:
        """Whether there is a true cell of the type; (K,) bool."""
        return np.asarray(self.true_positive + self.false_negative > 0)

    @property
    def precision(self) -> Floats:
        """TP ÷ (TP + FP); for a type that was never named 0 if it occurs, else nan."""
        defined = divide(self.true_positive, self.true_positive + self.false_positive)
        return np.where(np.isnan(defined) & self.occurs, 0.0, defined)

    @property
    def recall(self) -> Floats:
        """TP ÷ (TP + FN), nan for a type that does not occur."""
        return divide(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> Floats:
        """TN ÷ (TN + FP), nan where every cell is of that type."""
        return divide(self.true_negative, self.true_negative + self.false_positive)

    @property
    def f1(self) -> Floats:
        """2 TP ÷ (2 TP + FP + FN), nan for a type that neither occurs nor was named."""
        return divide(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)

    def macro(self, values: Floats) -> float:
        """The unweighted mean of one value per type over the types that occur; nan if none does."""
        return mean_of_defined(values[self.occurs])

    @property
    def micro_f1(self) -> float:
        """2 ΣTP ÷ (2 ΣTP + ΣFP + ΣFN) over the types; the accuracy where every cell was named as one of them."""
        hits, wrong = self.true_positive.sum(), self.false_positive.sum() + self.false_negative.sum()
        return float(divide(2 * hits, np.asarray(2 * hits + wrong)))


def one_against_rest(confusion: Confusion, n_types: int) -> OneAgainstRest:
    """The decisions of each of the first `n_types` types in a confusion matrix.

    Parameters
    ----------
    confusion
        (K, K') int64. Rows and columns from `n_types` on are what is none of the types: a cell counted there is a false
        positive or a false negative of the type on its other side, and no decision of its own.
    n_types
        Number of types.
    """
    hits = np.diag(confusion)[:n_types]
    named, occurring = confusion.sum(axis=0)[:n_types], confusion.sum(axis=1)[:n_types]
    return OneAgainstRest(hits, named - hits, occurring - hits, confusion.sum() - named - occurring + hits)


def accuracy(confusion: Confusion) -> tuple[int, int]:
    """Cells named right and all cells of a (K, K') matrix: k of n."""
    return int(np.trace(confusion)), int(confusion.sum())


def calibration_error(top_probability: npt.ArrayLike, right: npt.ArrayLike, n_bins: int = 10) -> float:
    """Expected calibration error: Σ_b (n_b ÷ n) · abs(share right in b − mean probability in b) (Guo et al., ICML 2017).

    Parameters
    ----------
    top_probability
        (N,) probability of the most probable type, 0..1.
    right
        (N,) bool, whether that type is the true one.
    n_bins
        Bins of equal width; bin b holds (b ÷ n_bins, (b + 1) ÷ n_bins], the first one 0 as well.

    Returns
    -------
    0..1; nan without cells.
    """
    p = np.asarray(top_probability, dtype=np.float64)
    if not p.size:
        return math.nan
    bins = np.clip(np.ceil(p * n_bins).astype(np.intp) - 1, 0, n_bins - 1)
    gaps = np.bincount(bins, weights=np.asarray(right, dtype=np.float64) - p, minlength=n_bins)
    return float(np.abs(gaps).sum() / p.size)
