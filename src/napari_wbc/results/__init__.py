"""The results folder is a data set: what batch writes, napari opens and saves, and training reads."""

from __future__ import annotations

from .folder import (
    has_record,
    images_in,
    iter_records,
    read_analysis,
    read_mark,
    read_record,
    record_path,
    slide_of,
    write_analysis,
    write_failure,
    write_slide,
)
from .label_images import has_labels, labels_path, read_labels

__all__ = [
    "has_labels",
    "has_record",
    "images_in",
    "iter_records",
    "labels_path",
    "read_analysis",
    "read_labels",
    "read_mark",
    "read_record",
    "record_path",
    "slide_of",
    "write_analysis",
    "write_failure",
    "write_slide",
]
