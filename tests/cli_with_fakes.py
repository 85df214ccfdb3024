"""`napari-wbc` with the stand-ins of `fakes` for the networks, as a program: `python -m tests.cli_with_fakes run IN OUT`.

`SECONDS_PER_IMAGE` in the environment makes the segmenter slow, so that a test can stop the program in the middle.
"""

from __future__ import annotations

import os
import sys
import time
import types
from collections.abc import Sequence

from napari_wbc.cells import Probabilities, RgbImage
from napari_wbc.pipeline import Models
from tests.fakes import FakeClassifier, FakeSegmenter


class SlowSegmenter(FakeSegmenter):
    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        time.sleep(float(os.environ.get("SECONDS_PER_IMAGE", "0")))
        return super().__call__(images)


def load_models(**options: object) -> Models:
    return Models(SlowSegmenter(), FakeClassifier())


if __name__ in ("__main__", "__mp_main__"):  # as a program, and in its worker processes
    nets = types.ModuleType("napari_wbc.nets")
    nets.__dict__["load_models"] = load_models
    sys.modules["napari_wbc.nets"] = nets

if __name__ == "__main__":
    from napari_wbc.cli import main

    main()
