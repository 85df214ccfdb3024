"""Copies of results that a person has worked on and that something is about to replace: `OUT/replaced/<date>/`."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

from .folder import readings_path, record_path
from .label_images import labels_path
from .runfile import now
from .storage import writing


def date() -> str:
    """Now, as the name of a folder."""
    return now().replace(":", "")


def copy_old(out: Path, image: str, date: str) -> None:
    """Copy record, label image and second readings of an image to `replaced/<date>/`, or beside an earlier copy: `<date>-2/`.

    Errors as in `storage.writing`.
    """
    old = [path for path in (labels_path(out, image), readings_path(out, image), record_path(out, image)) if path.exists()]
    folders = (out / "replaced" / (date if n == 1 else f"{date}-{n}") for n in count(1))
    folder = next(folder for folder in folders if not any((folder / path.relative_to(out)).exists() for path in old))
    for path in old:
        with writing(out, folder / path.relative_to(out)) as copy, path.open("rb") as file:
            shutil.copyfileobj(file, copy)
