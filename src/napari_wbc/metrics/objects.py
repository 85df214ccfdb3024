"""How well found cells agree with the true ones as objects: boxes, outlines, average precision."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from ..cells import Box, Labels
from .ratios import Floats, divide


def box_iou(boxes: npt.ArrayLike, others: npt.ArrayLike) -> Floats:
    """Intersection over union of every pair of half-open boxes (y0, x0, y1, x1).

    Parameters
    ----------
    boxes, others
        (N, 4) and (M, 4), px.

    Returns
    -------
    (N, M) float64, 0..1.
    """
    a = np.asarray(boxes, dtype=np.float64).reshape(-1, 1, 4)
    b = np.asarray(others, dtype=np.float64).reshape(1, -1, 4)
    overlap = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - overlap
    return np.nan_to_num(divide(overlap, union))


def match_boxes(boxes: list[Box], scores: npt.ArrayLike, true_boxes: list[Box], min_iou: float) -> npt.NDArray[np.int64]:
    """Match found boxes to true ones: by falling score, each to the true box of highest IoU that is still free.

    Parameters
    ----------
    boxes, scores
        N boxes and their scores (N,); equal scores are taken in the order given.
    true_boxes
        M boxes.
    min_iou
        A box is matched if that highest IoU is at least this.

    Returns
    -------
    (N,) int64, the index of the true box, or −1.
    """
    found = np.full(len(boxes), -1, dtype=np.int64)
    if not boxes or not true_boxes:
        return found
    overlap = box_iou(boxes, true_boxes)
    for i in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable"):
        best = int(overlap[i].argmax())
        if overlap[i, best] >= min_iou:
            found[i] = best
            overlap[:, best] = -1
    return found


def average_precision(scores: npt.ArrayLike, right: npt.ArrayLike, n_true: int) -> float:
    """All-point area under the precision envelope: Σ_k (r_k − r_{k−1}) max_{l ≥ k} p_l.

    p_k and r_k are precision and recall of the detections whose score is at least the k-th highest *distinct* score, so the
    area does not depend on the order of the images.

    Parameters
    ----------
    scores
        (N,) of all detections of all images.
    right
        (N,) bool, whether a detection is matched to a true cell.
    n_true
        Number of true cells, found or not.

    Returns
    -------
    0..1; 0 where nothing was found, nan where there is no true cell.
    """
    if n_true == 0:
        return math.nan
    score = np.asarray(scores, dtype=np.float64)
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(np.asarray(right, dtype=bool)[order])
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True)) if len(score) else np.zeros(0, dtype=np.intp)
    precision, recall = hits[last] / (last + 1), hits[last] / n_true
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


class OutlineMatch(NamedTuple):
    """Two outlines of one cell and their intersection over union."""

    found_id: int
    true_id: int
    iou: float


def match_outlines(found: Labels, true: Labels) -> list[OutlineMatch]:
    """Pair the outlines of two label images so that the sum of their IoU is the largest possible.

    Parameters
    ----------
    found, true
        (H, W) int32, 0 background.

    Returns
    -------
    Pairs that share at least one pixel, by ascending `found_id`; an id is in one pair at most.
    """
    both = (found > 0) & (true > 0)
    pairs, shared = np.unique(np.stack([found[both], true[both]]), axis=1, return_counts=True)
    if not pairs.size:
        return []
    found_ids, row = np.unique(pairs[0], return_inverse=True)
    true_ids, column = np.unique(pairs[1], return_inverse=True)
    union = np.bincount(found.ravel())[pairs[0]] + np.bincount(true.ravel())[pairs[1]] - shared
    overlap = np.zeros((len(found_ids), len(true_ids)))
    overlap[row, column] = shared / union
    return [
        OutlineMatch(int(found_ids[i]), int(true_ids[j]), float(overlap[i, j]))
        for i, j in zip(*linear_sum_assignment(overlap, maximize=True), strict=True)
        if overlap[i, j] > 0
    ]
