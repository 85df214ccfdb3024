"""The four dock widgets: layers and a form in, layers out; what happens between is in `jobs`, `layers` and `replacing`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from napari.layers import Image, Labels, Shapes
from napari.viewer import Viewer

from ..cells import Analysis, Box, Segmentation
from ..config import Settings
from ..errors import ImageError, UsageError
from ..pipeline import Models, Step, Steps
from . import jobs
from .controls import choice
from .inputs import in_view, is_large, read_image, read_labels
from .layers import analysis_layers, labels_layer
from .origin import MadeBy, made_by, note
from .replacing import show_boxes, show_labels, show_types
from .reviews import reviewed, session_of
from .slide_layer import part_layer
from .status import describe_analysis, describe_segmentation, describe_types
from .tool import ToolWidget, chosen

THIS_IMAGE, IN_VIEW, ALL_IMAGES = "the whole image", "what is in view", "all open images"


class AnalyseImage(ToolWidget):
    """Outline, box, measure and name the white blood cells of an image, of the part in view, or of all open images."""

    def __init__(self, napari_viewer: Viewer, load: jobs.Load = jobs.load_models) -> None:
        super().__init__(napari_viewer, "Analyse image", load)
        self.image = self.add_choice("Image", Image)
        self.over = choice(
            [THIS_IMAGE, IN_VIEW, ALL_IMAGES],
            "Where cells are looked for: in the chosen image, in its part in view, or in all open images.",
        )
        self._choice_layout.addRow("Analyse", self.over)
        self.add_form(settings=True, models=("segmenter", "classifier"))
        self.add_panel()

    def start(self) -> None:
        """Images → Labels and Shapes."""
        image, over = chosen(self.image), self.over.currentText()
        images = [layer for layer in self.viewer.layers if isinstance(layer, Image)] if over == ALL_IMAGES else [image]
        part = in_view(image) if over == IN_VIEW else None
        models, settings = self.models.choice(), self.settings()
        if part is not None and is_large(image):
            self.job.start(_part_analysed(self.kept, models, settings, image, part), self._show_part)
        elif over == ALL_IMAGES:
            self.job.start(_each_analysed(self.kept, models, settings, images), self._show_each)
        else:
            self.job.start(_analysed(self.kept, models, settings, image, read_image(image), part), self._show)

    def _show_part(self, found: Analysed) -> str:
        self.check()
        self.viewer.layers.append(found.image)
        return self._show(found)

    def _show_each(self, found: list[Analysed | NotAnalysed]) -> str:
        """What was found in each image; one that cannot be analysed, or was closed, does not lose the others."""
        self.check()
        texts = []
        for each in found:
            try:
                text = str(each.error) if isinstance(each, NotAnalysed) else self._show(each)
            except UsageError as error:
                text = str(error)
            texts.append(f"{each.image.name}: {text}")
        return "\n\n".join(texts)

    def _show(self, found: Analysed) -> str:
        self.check(found.image)
        show_labels(self.viewer.layers, found.image, found.labels, found.boxes)
        return describe_analysis(found.analysis, found.models)


@dataclass(frozen=True, eq=False)
class Analysed:
    """What was found in an image, and its layers."""

    image: Image
    analysis: Analysis
    models: Models
    labels: Labels
    boxes: Shapes


@dataclass(frozen=True, eq=False)
class NotAnalysed:
    """An image that cannot be analysed, and why."""

    image: Image
    error: ImageError


def _analysed(
    kept: jobs.KeptModels, wanted: jobs.ModelChoice, settings: Settings, image: Image, read: jobs.Read, part: Box | None
) -> Steps[Analysed]:
    """Layers are made in the thread too, because with 20 megapixels that takes half a second."""
    analysis, models = yield from jobs.analyse(kept, wanted, read, settings, part)
    return Analysed(image, analysis, models, *analysis_layers(image, analysis, MadeBy.of(models, settings)))


def _each_analysed(
    kept: jobs.KeptModels, wanted: jobs.ModelChoice, settings: Settings, images: Sequence[Image]
) -> Steps[list[Analysed | NotAnalysed]]:
    """One image after the other."""
    found: list[Analysed | NotAnalysed] = []
    for image in images:
        try:
            found.append((yield from _analysed(kept, wanted, settings, image, read_image(image), None)))
        except ImageError as error:
            found.append(NotAnalysed(image, error))
    return found


def _part_analysed(
    kept: jobs.KeptModels, wanted: jobs.ModelChoice, settings: Settings, slide: Image, part: Box
) -> Steps[Analysed]:
    """A part of a slide becomes an image of its own, which is reviewed and saved as any other."""
    yield Step("read", 0, 1)
    image = part_layer(slide, part)
    return (yield from _analysed(kept, wanted, settings, image, read_image(image), None))


class SegmentCells(ToolWidget):
    """Outline the white blood cells of an image."""

    def __init__(self, napari_viewer: Viewer, load: jobs.Load = jobs.load_models) -> None:
        super().__init__(napari_viewer, "Segment cells", load)
        self.image = self.add_choice("Image", Image)
        self.add_form(settings=True, models=("segmenter",))
        self.add_panel()

    def start(self) -> None:
        """Image → Labels."""
        image, settings = chosen(self.image), self.settings()
        steps = jobs.segment(self.kept, self.models.choice(), read_image(image), settings)
        self.job.start(_segmentation_layer(image, steps, settings), partial(self._show, image))

    def _show(self, image: Image, result: tuple[Segmentation, Models, Labels]) -> str:
        self.check(image)
        segmentation, models, layer = result
        show_labels(self.viewer.layers, image, layer)
        return describe_segmentation(segmentation, models)


class CropBoxes(ToolWidget):
    """Box the cells of a Labels layer, as it is now: made by the model, corrected or drawn by hand."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, "Crop boxes", jobs.load_models)
        self.labels = self.add_choice("Cells", Labels)
        self.add_panel()
        self.job.cancel_button.hide()

    def start(self) -> None:
        """Labels → Shapes; quick, so without a thread."""
        labels = chosen(self.labels)
        boxes = show_boxes(self.viewer.layers, labels, read_labels(labels))
        self.job.status.setText(f"{len(boxes.data)} boxes in layer '{boxes.name}'")


class ClassifyCells(ToolWidget):
    """Measure and name the cells of a Labels layer, as it is now."""

    def __init__(self, napari_viewer: Viewer, load: jobs.Load = jobs.load_models) -> None:
        super().__init__(napari_viewer, "Classify cells", load)
        self.image = self.add_choice("Image", Image)
        self.labels = self.add_choice("Cells", Labels)
        self.add_form(settings=False, models=("classifier",))
        self.add_panel()

    def start(self) -> None:
        """Image and Labels → features of Labels, and Shapes."""
        image, labels = chosen(self.image), chosen(self.labels)
        steps = jobs.classify(self.kept, self.models.choice(), read_image(image), read_labels(labels))
        self.job.start(steps, partial(self._show, image, labels))

    def _show(self, image: Image, labels: Labels, result: tuple[Analysis, Models]) -> str:
        self.check(image, labels)
        if reviewed(labels):  # what a person said stays
            session_of(self.viewer, labels).accept(result[0].cells)
        else:
            made = made_by(labels).named_by(result[1].classifier)
            show_types(self.viewer.layers, image, labels, result[0], made)
        return describe_types(*result)


def _segmentation_layer(
    image: Image, steps: Steps[tuple[Segmentation, Models]], settings: Settings
) -> Steps[tuple[Segmentation, Models, Labels]]:
    """What the steps find, with its layer, made in the thread too."""
    segmentation, models = yield from steps
    layer = labels_layer(image, segmentation)
    note(layer, made_by=MadeBy.of(models, settings).without_types())
    return segmentation, models, layer
