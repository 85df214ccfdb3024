"""Stand-ins for the two networks: plain colour rules, quick, deterministic, picklable. Tests of the road use them; no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from napari_wbc.cells import Probabilities, RgbImage
from napari_wbc.domain import Sources
from napari_wbc.pipeline import Models


class FakeSegmenter:
    """Calls a pixel WBC where it is more blue than green by 40 grey levels (drawn cells are purple)."""

    identity = "fake-segmenter"
    name = "fake segmenter"
    device = "cpu"
    threads = 1
    um_per_px = 0.17
    cell_diameter_um = 13.0
    domain: Sources | None = None

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        found = []
        for image in images:
            purple = image[..., 2].astype(np.float32) - image[..., 1]
            wbc = 1 / (1 + np.exp(-(ndimage.uniform_filter(purple, 3) - 40) / 8))
            core = np.clip(ndimage.distance_transform_edt(wbc > 0.5) / 20, 0, 1)
            found.append(np.stack([wbc, core]).astype(np.float32))
        return found


class FakeClassifier:
    """Names a crop by its mean colour."""

    identity = "fake-classifier"
    name = "fake classifier"
    device = "cpu"
    threads = 1
    crop_size_px = 64
    crop_margin = 0.15
    none_of_five_threshold = 0.99
    least_probability = 0.0

    def __call__(self, crops: Sequence[RgbImage]) -> tuple[Probabilities, Probabilities]:
        means = np.array([crop.reshape(-1, 3).mean(axis=0) for crop in crops], dtype=np.float32).reshape(-1, 3)
        logits = np.stack([means[:, 0], means[:, 1], means[:, 2], means.mean(axis=1), means.max(axis=1)], axis=1) / 16
        exp = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (exp / exp.sum(axis=1, keepdims=True)).astype(np.float32), np.zeros(len(crops), dtype=np.float32)


def load_fakes() -> Models:
    """The stand-ins as `Models`."""
    return Models(FakeSegmenter(), FakeClassifier())
