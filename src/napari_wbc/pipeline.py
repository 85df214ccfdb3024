"""One image, or several, through the stages in their order; nothing else happens here, and nothing here needs torch.

read → *scale → segment → clean up → separate → box and crop → measure → classify → table* → write. A person's correction of the
outlines enters between `segment_cells` and `reclassify`, so corrected images take the same road.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from . import scale as scaling
from .cells import Analysis, Cell, CellTable, Field, Labels, Mask, Probabilities, RgbImage, Scale, Segmentation
from .cleanup import clean_up, drop_doubtful
from .config import CELL_TYPES, UNIDENTIFIED, Settings
from .crop import crop
from .domain import Sources, judge, measure_domain
from .measure import measure
from .nucleus import nucleus_areas_px
from .separate import separate
from .tiling import TILE_PX, stitch, windows


class Network(Protocol):
    """A trained network on a device."""

    @property
    def identity(self) -> str:
        """SHA-256 of the checkpoint + precision + backend: what the numbers depend on."""

    @property
    def name(self) -> str:
        """Name of the model, for people."""

    @property
    def device(self) -> str:
        """The device really used, e.g. `cpu` or `cuda:0`."""

    @property
    def threads(self) -> int:
        """Threads that compute on the processor: the last digits may depend on them."""


class Segmenter(Network, Protocol):
    """Finds the pixels of white blood cells."""

    @property
    def um_per_px(self) -> float:
        """Pixel size at which the network was trained, µm: the analysis scale."""

    @property
    def cell_diameter_um(self) -> float:
        """Median diameter of the cells it was trained on, µm."""

    @property
    def domain(self) -> Sources | None:
        """What the images it was trained on are like, by their source; None if that is not known."""

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        """Images (H, W, 3) uint8 at the analysis scale → (K, H, W) float32 each.

        Channel 0 is the probability of WBC; channel 1, if there, that of the core of a cell.
        """


class Classifier(Network, Protocol):
    """Names the crop of a cell."""

    @property
    def crop_size_px(self) -> int:
        """Side of the crops it takes, px."""

    @property
    def crop_margin(self) -> float | None:
        """Margin of the crops it was trained on; see `crop.crop`."""

    @property
    def none_of_five_threshold(self) -> float:
        """From this `none_of_five_score` on, a cell is `unidentified`."""

    @property
    def least_probability(self) -> float:
        """A cell whose most probable type has less is `unidentified`: the network is unsure."""

    def __call__(self, crops: Sequence[RgbImage]) -> tuple[Probabilities, Probabilities]:
        """Crops (S, S, 3) uint8 → (N, 5) calibrated probabilities that add to 1, and (N,) score of "none of the five", 0..1."""


@dataclass(frozen=True)
class Models:
    """The two networks of the two stages."""

    segmenter: Segmenter
    classifier: Classifier


LoadModels = Callable[[], Models]


@dataclass(frozen=True)
class Step:
    """Progress of a long analysis: `done` of `total` parts of a stage are finished."""

    stage: str
    done: int
    total: int


T = TypeVar("T")
Steps = Generator[Step, None, T]
"""A generator of steps that returns a T; not asking for the next step stops the work."""


def finish(steps: Steps[T]) -> T:
    """Run a generator of steps to its end and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def analyse(image: RgbImage | Field, models: Models, settings: Settings | None = None) -> Analysis:
    """Find, outline, box, measure and name the white blood cells of one image.

    Parameters
    ----------
    image
        (H, W, 3) uint8, or a `Field`, which may know its pixel size.
    models
        From `load_models`.
    settings
        None: the defaults.

    Returns
    -------
    Labels of the image's own size, and one row per cell. The names are suggestions, for a person to verify.
    """
    return analyse_many([image], models, settings)[0]


def analyse_many(
    images: Sequence[RgbImage | Field], models: Models, settings: Settings | None = None, tile_px: int = TILE_PX
) -> list[Analysis]:
    """`analyse` for several images at once. The result of an image does not depend on its neighbours.

    `tile_px` is the largest side of what the segmenter sees at once, analysis px; smaller needs less memory.
    """
    return finish(analyse_steps(images, models, settings, tile_px))


def analyse_steps(
    images: Sequence[RgbImage | Field], models: Models, settings: Settings | None = None, tile_px: int = TILE_PX
) -> Steps[list[Analysis]]:
    """`analyse_many` step by step, for front ends that show progress and may stop."""
    settings = settings or Settings()
    fields = [as_field(image) for image in images]
    segmentations = []
    for field in fields:
        segmentations.append((yield from segment_steps(field, models.segmenter, settings, tile_px)))
    return (yield from reclassify_steps(fields, segmentations, models.classifier))


def segment_cells(image: RgbImage | Field, segmenter: Segmenter, settings: Settings | None = None) -> Segmentation:
    """The first stage alone: outlines of the cells of one image; parameters as in `analyse`."""
    return finish(segment_steps(as_field(image), segmenter, settings or Settings()))


def reclassify(image: RgbImage | Field, segmentation: Segmentation, classifier: Classifier) -> Analysis:
    """The second stage alone: box, crop, measure and name the cells of given outlines, drawn by the model or a person."""
    return finish(reclassify_steps([as_field(image)], [segmentation], classifier))[0]


def as_field(image: RgbImage | Field) -> Field:
    """The image as a `Field`; an array becomes one without a pixel size.

    Raises
    ------
    ValueError
        If an array is not (H, W, 3) uint8.
    """
    if isinstance(image, Field):
        return image
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"An image must be (H, W, 3) uint8, found {image.shape} {image.dtype}. `napari_wbc.images.to_rgb` converts others."
        )
    return Field(image)


def segment_steps(field: Field, segmenter: Segmenter, settings: Settings, tile_px: int = TILE_PX) -> Steps[Segmentation]:
    """`segment_cells`, step by step.

    Where neither user nor file nor red cells tell the pixel size, or the white cells found contradict the red ones, it is
    taken from the white cells: the image is segmented again at the scale that makes the largest as large as those the
    network was trained on. Where a doubtful scale shows no cell at all, others are tried.
    """
    yield Step("scale", 0, 1)
    scale = scaling.choose_scale(field, settings, segmenter.um_per_px)
    found = yield from segment_at(field, scale, segmenter, settings, tile_px)
    trained = segmenter.um_per_px, segmenter.cell_diameter_um
    for other in scaling.other_scales(field, scale) if not found.scores else ():
        tried = yield from segment_at(field, other, segmenter, settings, tile_px)
        if tried.scores and scaling.scale_from_cells(tried.labels, other, *trained) is None:
            scale, found = other, tried
            break
    better = scaling.scale_from_cells(found.labels, scale, *trained)
    if better is not None:
        scale = better
        found = yield from segment_at(field, scale, segmenter, settings, tile_px)
    yield Step("outline", 0, 1)
    native = scaling.to_native(found.labels, found.probability, settings.mask_threshold, field.pixels.shape[:2])
    native.flags.writeable = False
    known = segmenter.domain
    domain = judge(measure_domain(found.image, found.labels, segmenter.um_per_px), known) if known else None
    return Segmentation(native, found.scores, scale, domain)


@dataclass(frozen=True, eq=False)
class Found:
    """What was found at one scale: image (h, w, 3), labels and probability of WBC (h, w) at that scale, scores by id."""

    image: RgbImage
    labels: Labels
    scores: dict[int, float]
    probability: Probabilities


def segment_at(field: Field, scale: Scale, segmenter: Segmenter, settings: Settings, tile_px: int) -> Steps[Found]:
    """The cells at a scale, large images tile by tile."""
    image = scaling.to_analysis(field.pixels, scale.analysis_scale)
    tiles = windows(image.shape[:2], tile_px)
    outputs = []
    for i, tile in enumerate(tiles):
        yield Step("segment", i, len(tiles))
        outputs += segmenter([image[tile.outer.slices]])
    probabilities = stitch(outputs, tiles, image.shape[:2])
    mask = clean_up(probabilities[0] >= settings.mask_threshold, settings.min_area_px)
    core = probabilities[1] if settings.separate_touching and len(probabilities) > 1 else None
    labels = separate(mask, core, settings.core_threshold, settings.min_area_px)
    return Found(image, *drop_doubtful(labels, probabilities[0], settings.min_score), probabilities[0])


def reclassify_steps(
    fields: Sequence[Field], segmentations: Sequence[Segmentation], classifier: Classifier
) -> Steps[list[Analysis]]:
    """`reclassify` for several images, step by step; crops are named in batches across images."""
    tables = []
    for i, (field, segmentation) in enumerate(zip(fields, segmentations, strict=True)):
        yield Step("measure", i, len(fields))
        pixels, labels = field.pixels, segmentation.labels
        nuclei = nucleus_areas_px(pixels, labels)
        tables.append(measure(pixels, labels, segmentation.scores, segmentation.scale.um_per_px, nuclei))
    cells = [(field.pixels, cell) for field, table in zip(fields, tables, strict=True) for cell in table]
    named = iter((yield from _name_steps(cells, classifier)))
    return [
        Analysis(s.labels, CellTable(tuple(next(named) for _ in table)), s.scale, s.domain)
        for s, table in zip(segmentations, tables, strict=True)
    ]


def name_steps(pixels: RgbImage, cells: Sequence[Cell], classifier: Classifier) -> Steps[list[Cell]]:
    """Measured cells of an image (H, W, 3) uint8 with their types and probabilities, step by step."""
    return (yield from _name_steps([(pixels, cell) for cell in cells], classifier))


def _name_steps(cells: Sequence[tuple[RgbImage, Cell]], classifier: Classifier) -> Steps[list[Cell]]:
    """The cells, each with its image, as named."""
    said: list[tuple[Probabilities, Probabilities]] = []
    crops = (crop(pixels, cell.box, classifier.crop_size_px, classifier.crop_margin) for pixels, cell in cells)
    for batch in _chunks(crops, CROPS_PER_STEP):
        yield Step("classify", len(said) * CROPS_PER_STEP, len(cells))
        said.append(classifier(batch))
    rows = [row for probabilities, none in said for row in zip(probabilities, none, strict=True)]
    return [_name(cell, *row, classifier) for (_, cell), row in zip(cells, rows, strict=True)]


CROPS_PER_STEP = 32
"""Crops named between two steps: about a tenth of a second on two cores."""


def _name(cell: Cell, probabilities: Probabilities, none_of_five: np.float32, classifier: Classifier) -> Cell:
    """The cell with its type: the most probable of the five, or `unidentified`."""
    second, first = np.sort(probabilities)[-2:]
    score = round(float(none_of_five), 4)
    unknown = unidentified(probabilities[None], np.array([score]), classifier)[0]
    return dataclasses.replace(
        cell,
        p=tuple(round(float(p), 4) for p in probabilities),
        none_of_five_score=score,
        margin=round(float(first - second), 4),
        cell_type=UNIDENTIFIED if unknown else CELL_TYPES[int(probabilities.argmax())],
    )


def unidentified(probabilities: Probabilities, none_of_five: Probabilities, classifier: Classifier) -> Mask:
    """Which of N cells are none of the five or too unsure; (N, 5) and (N,) as the classifier gives them → (N,) bool."""
    unsure = probabilities.max(axis=1) < classifier.least_probability
    return np.asarray((none_of_five >= classifier.none_of_five_threshold) | unsure)


def _chunks(items: Iterable[RgbImage], size: int) -> Generator[list[RgbImage]]:
    """Lists of at most `size` items."""
    chunk: list[RgbImage] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
