"""One whole-slide image: tiles with halo, each cell owned by the tile that holds its centroid.

Tiles are as large as what the segmenter sees at once. Background, and what shows nothing as dark as a nucleus, is skipped. The
scale is chosen once per slide. Outlines are kept packed, so memory does not grow with the slide.
"""

from __future__ import annotations

from .analysis import SlideAnalysis, analyse_slide_steps

__all__ = ["SlideAnalysis", "analyse_slide_steps"]
