"""Copies of results that a person has worked on and that something is about to replace: `OUT/replaced/<date>/`."""

from __future__ import annotations

import shutil
from pathlib import Path

from .folder import readings_path, record_path
from .label_images import labels_path
from .runfile import now
from .storage import writing


def date() -> str:
    """Now, as the name of a folder."""
    return now().replace(":", "")


def copy_old(out: Path, image: str, date: str) -> None:
    """Copy record, label image and second readings of an image to `replaced/<date>/`; errors as in `storage.writing`."""
    for path in (labels_path(out, image), readings_path(out, image), record_path(out, image)):
        if path.exists():
            with writing(out, out / "replaced" / date / path.relative_to(out)) as copy, path.open("rb") as old:
                shutil.copyfileobj(old, copy)
