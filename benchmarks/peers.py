"""Seconds that the network of cellpose or StarDist takes for a picture, with random weights: its cost does not depend on them.

    python benchmarks/peers.py cellpose|stardist HEIGHT WIDTH THREADS

Needs nothing of napari-wbc, so that `speed.py --peers PYTHON` can run it where the peers are installed. Prints JSON: seconds,
or why it was not measured.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

REPEATS = 5


def cellpose(height: int, width: int, threads: int) -> Callable[[], Any]:
    """The network of cellpose 1 to 3 (`cyto3`: two channels, 32 to 256 features); that of cellpose 4 is far larger."""
    import torch
    from cellpose.resnet_torch import CPnet

    torch.set_num_threads(threads)
    network = CPnet([2, 32, 64, 128, 256], 3, 3).eval()
    image = torch.rand(1, 2, height, width)

    def run() -> Any:
        with torch.inference_mode():
            return network(image)

    return run


def stardist(height: int, width: int, threads: int) -> Callable[[], Any]:
    """The network of StarDist (`2D_versatile_he`: three channels, 32 rays on every second pixel)."""
    import tensorflow
    from stardist.models import Config2D, StarDist2D

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    network = StarDist2D(Config2D(n_rays=32, grid=(2, 2), n_channel_in=3), name=None, basedir=None).keras_model
    image = np.random.default_rng(0).random((1, height, width, 3), dtype=np.float32)
    return lambda: network.predict(image, verbose=0)


def main() -> None:
    """Measure one."""
    name, height, width, threads = sys.argv[1], *map(int, sys.argv[2:5])
    try:
        run = {"cellpose": cellpose, "stardist": stardist}[name](height, width, threads)
    except ImportError as error:
        print(json.dumps({"why": f"not installed: {error}"}))
        return
    run()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"s": sorted(seconds)[REPEATS // 2]}))


if __name__ == "__main__":
    main()
