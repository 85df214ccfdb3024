"""Weights of the classes in the loss, by median frequency (Eigen and Fergus, ICCV 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..cells import Labels
from ..errors import UsageError


def median_frequency(labels: Sequence[Labels]) -> tuple[float, float]:
    """The weights of background and WBC: w_c = median(f) ÷ f_c.

    f_c = pixels of class c ÷ pixels of the images in which c occurs; of two classes the median is the mean.

    Parameters
    ----------
    labels
        (H, W) int32 each; 0 background, 1.. cells; pixels below 0 are unknown and count nowhere.

    Raises
    ------
    UsageError
        If one of the two classes does not occur.
    """
    pixels, images = np.zeros(2), np.zeros(2)
    for image in labels:
        counts = np.array([np.count_nonzero(image == 0), np.count_nonzero(image > 0)])
        pixels += counts
        images += np.where(counts > 0, counts.sum(), 0)
    if not pixels.all():
        raise UsageError("The paper's class weights need images with pixels of cells and pixels without; one is missing.")
    frequency = pixels / images
    background, wbc = np.median(frequency) / frequency
    return float(background), float(wbc)
