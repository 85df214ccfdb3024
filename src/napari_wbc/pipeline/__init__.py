"""One image, or several, through the stages in their order; nothing else happens here, and nothing here needs torch.

read → *scale → segment → clean up → separate → box and crop → measure → classify → table* → write. A person's correction of the
outlines enters between `segment_cells` and `reclassify`, so corrected images take the same road.
"""

from __future__ import annotations

from .analysis import analyse, analyse_many, analyse_steps, as_field, reclassify, segment_cells
from .naming import name_steps, reclassify_steps, unidentified
from .networks import Classifier, LoadModels, Models, Network, Segmenter
from .outlining import Found, segment_at, segment_steps
from .steps import Step, Steps, finish

__all__ = [
    "Classifier",
    "Found",
    "LoadModels",
    "Models",
    "Network",
    "Segmenter",
    "Step",
    "Steps",
    "analyse",
    "analyse_many",
    "analyse_steps",
    "as_field",
    "finish",
    "name_steps",
    "reclassify",
    "reclassify_steps",
    "segment_at",
    "segment_cells",
    "segment_steps",
    "unidentified",
]
