"""Results folders → layers of a review: an image as it was saved, and which image is the next; no Qt."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from napari.layers import Image, Layer

from ..config import Settings
from ..errors import UsageError
from ..results import images_in, read_analysis, read_record
from ..results.pixels import find_field, find_slide
from ..results.runfile import input_root, read_run
from ..review.readings import read_readings
from .layers import boxes_layer, labels_layer, outlines
from .origin import KEY, MadeBy, Place, note, set_place
from .readings import with_readings
from .saving import record_sha256
from .slide_layer import slide_layers


def reviewed_layers(folder: Path, image: str | None = None) -> list[Layer]:
    """Image, cells and boxes as they were saved, of a slide image and cells; by default of the first image.

    Raises
    ------
    ResultsError
        If the folder has no such image, or a file of it is missing or damaged.
    """
    run = read_run(folder)
    image = neighbour(folder) if image is None else image
    known, record = record_sha256(folder, image), read_record(folder, image)
    if record.row.is_slide:
        return list(slide_layers(folder, record, find_slide(folder, record, [input_root(folder, run)])))
    analysis = read_analysis(folder, image)
    path, field = find_field(folder, record, [input_root(folder, run)])
    pixels = Image(field.pixels.copy(), rgb=True, name=Path(image).stem)
    pixels.metadata[KEY] = {"um_per_px": field.um_per_px, "id": uuid4().hex, "path": str(path)}
    set_place(pixels, Place(folder.resolve(), image, record.hashes.input, known))
    labels = labels_layer(pixels, outlines(analysis), analysis.cells)
    made = MadeBy(run.segmenter, run.classifier, _settings(run.settings), run.device)
    labels.features = with_readings(labels.features, read_readings(folder, image))
    note(labels, features=labels.features.copy(), layer_id=uuid4().hex, made_by=made, record=record)
    return [pixels, labels, boxes_layer(labels, outlines(analysis))]


def neighbour(folder: Path, image: str | None = None, by: int = 1) -> str:
    """The next (1) or previous (-1) image of a results folder that was analysed; without `image` the first.

    Slides are passed over, as their cells are named in the gallery, unless there is nothing else.

    Raises
    ------
    UsageError
        If there is none.
    """
    names = images_in(folder)
    here = names.index(image) if image in names else -1
    slides = []
    for name in names[here + 1 :] if by > 0 else names[: max(here, 0)][::-1]:
        row = read_record(folder, name).row
        if row.status == "done" and not row.is_slide:
            return name
        slides += [name] if row.is_slide and row.status == "done" else []
    if image is None and slides:
        return slides[0]
    raise UsageError(f"There is no {'next' if by > 0 else 'previous'} image in {folder}.")


def _settings(values: dict[str, object]) -> Settings:
    """The settings of a run, as far as this version knows them."""
    return Settings(**{name: value for name, value in values.items() if name in Settings.model_fields})
