"""What a layer of cells shows, as an analysis: its pixels, and what its features say of them."""

from __future__ import annotations

import numpy as np
from napari.layers import Labels

from napari_wbc._napari.features import read_cells
from napari_wbc._napari.origin import origin
from napari_wbc.cells import Analysis


def analysis_in(layer: Labels) -> Analysis:
    """The analysis that a Labels layer of ours shows."""
    made = origin(layer)
    assert made is not None
    labels = np.array(layer.data, dtype=np.int32)
    labels.flags.writeable = False
    cells = read_cells(layer.features, np.unique(labels).tolist())
    return Analysis(labels, cells, made.segmentation.scale, made.segmentation.domain)
