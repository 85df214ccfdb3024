"""What other programs read and write: a format of files in one module each, and the report.

Exports describe the native, upright images; coordinates follow the edges of pixels. An import changes only what differs: an
outline, a type, a missing cell; what it changes is a person's (`merging`).
"""

from __future__ import annotations

FORMATS = ("geojson", "coco", "ome-tiff", "imagej-roi", "png-masks", "yolo", "csv", "crops")
"""Names of the formats; `transfer.MODULES` has their modules."""
