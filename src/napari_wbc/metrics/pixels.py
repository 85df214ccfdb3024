"""How well a mask agrees with the true one, pixel by pixel and along its boundary.

What is undefined, because a class occurs neither in the truth nor in the prediction, is nan and stays out of means.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree

from ..cells import Mask
from .ratios import Confusion, Floats, divide, mean_of_defined

BOUNDARY_TOLERANCE = 0.0075
"""θ of the BF score as a share of the image diagonal."""


def pixel_confusion(true: npt.NDArray[Any], predicted: npt.NDArray[Any], n_classes: int = 2) -> Confusion:
    """Count the pixels of every pair of true and predicted class.

    Parameters
    ----------
    true, predicted
        (H, W) bool or integer, classes 0..n_classes-1; of a mask, class 1 is WBC.
    n_classes
        K.

    Returns
    -------
    (K, K) int64, n_ij = pixels of true class i predicted j. Matrices of several images may be added.
    """
    pairs = true.astype(np.int64).ravel() * n_classes + predicted.astype(np.int64).ravel()
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def class_accuracy(confusion: Confusion) -> Floats:
    """n_ii ÷ t_i of every class, with t_i = Σ_j n_ij; (K,), nan where a class has no true pixel."""
    return divide(np.diag(confusion), confusion.sum(axis=1))


def mean_accuracy(confusion: Confusion) -> float:
    """Mean of `class_accuracy` over the classes that have true pixels."""
    return mean_of_defined(class_accuracy(confusion))


def iou(confusion: Confusion) -> Floats:
    """n_ii ÷ (t_i + Σ_j n_ji − n_ii) of every class: intersection over union; (K,), nan where a class has no pixel at all."""
    right = np.diag(confusion)
    return divide(right, confusion.sum(axis=1) + confusion.sum(axis=0) - right)


def mean_iou(confusion: Confusion) -> float:
    """Mean of `iou` over the classes that occur, background included."""
    return mean_of_defined(iou(confusion))


def dice(confusion: Confusion) -> Floats:
    """2 n_ii ÷ (t_i + Σ_j n_ji) of every class; (K,), nan where a class has no pixel at all."""
    return divide(2 * np.diag(confusion), confusion.sum(axis=1) + confusion.sum(axis=0))


class BoundaryScore(NamedTuple):
    """Boundary precision, recall, and BF = 2PR ÷ (P + R); 0..1 or nan."""

    precision: float
    recall: float
    bf: float


def boundary(mask: Mask) -> Mask:
    """The pixels of a mask (H, W) that have a 4-neighbour outside it; the frame of the image is no boundary."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask, border_value=1))


def tolerance_px(shape: tuple[int, int]) -> float:
    """θ of the BF score for an image of (H, W): 0.75 % of its diagonal, px. It differs between image sizes: print it."""
    return BOUNDARY_TOLERANCE * math.hypot(*shape)


def boundary_score(true: Mask, predicted: Mask, theta_px: float) -> BoundaryScore:
    """The BF score of a mask (Csurka et al., BMVC 2013).

    P is the share of the predicted boundary pixels that lie at most θ from a true boundary pixel, R the reverse.

    Parameters
    ----------
    true, predicted
        (H, W) bool.
    theta_px
        θ, px, between pixel centres; see `tolerance_px`.

    Returns
    -------
    P is nan without a predicted boundary, R without a true one. BF is nan if neither is there, 0 if one of them is missing.
    """
    true_at, predicted_at = np.argwhere(boundary(true)), np.argwhere(boundary(predicted))
    precision, recall = _share_near(predicted_at, true_at, theta_px), _share_near(true_at, predicted_at, theta_px)
    if not len(true_at) and not len(predicted_at):
        return BoundaryScore(math.nan, math.nan, math.nan)
    if math.isnan(precision) or math.isnan(recall) or precision + recall == 0:
        return BoundaryScore(precision, recall, 0.0)
    return BoundaryScore(precision, recall, 2 * precision * recall / (precision + recall))


def _share_near(points: npt.NDArray[np.intp], others: npt.NDArray[np.intp], theta_px: float) -> float:
    """The share of the points (N, 2) that lie at most `theta_px` from one of the others (M, 2)."""
    if not len(points):
        return math.nan
    if not len(others):
        return 0.0
    distances, _ = KDTree(others).query(points)
    return float(np.mean(distances <= theta_px))
