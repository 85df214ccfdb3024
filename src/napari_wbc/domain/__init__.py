"""Is this image like those the model was trained on: size of its cells, stain, focus, clipping.

A few numbers of the image at the analysis scale are compared with their usual ranges in each source of the training images,
which the model's card holds: an image is strange if it is like none of the sources. What cannot be measured, as the stain of
cells where there is none, is not judged.
"""

from __future__ import annotations

from .judging import WORDS, Ranges, Sources, doubt_pixel_size, find_ranges, judge
from .measuring import Numbers, measure_domain

__all__ = ["WORDS", "Numbers", "Ranges", "Sources", "doubt_pixel_size", "find_ranges", "judge", "measure_domain"]
