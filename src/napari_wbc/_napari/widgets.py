"""The four dock widgets: layers and a form in, layers out; what happens between is in `jobs` and `place`."""

from __future__ import annotations

from functools import partial

from napari.layers import Image, Labels, Shapes
from napari.viewer import Viewer

from ..cells import Analysis, Segmentation
from ..config import Settings
from ..pipeline import Models, Steps
from . import jobs
from .inputs import read_image, read_labels
from .layers import analysis_layers, labels_layer
from .origin import MadeBy
from .place import show_boxes, show_labels, show_types
from .reviews import reviewed, session_of
from .status import describe_analysis, describe_segmentation
from .tool import ToolWidget, chosen


class AnalyseImage(ToolWidget):
    """Outline, box, measure and name the white blood cells of an image."""

    def __init__(self, napari_viewer: Viewer, load: jobs.Load = jobs.load_models) -> None:
        super().__init__(napari_viewer, "Analyse image", load)
        self.image = self.add_choice("Image", Image)
        self.add_form(settings=True, models=("segmenter", "classifier"))
        self.add_panel()

    def start(self) -> None:
        """Image → Labels and Shapes."""
        image = chosen(self.image)
        settings = self.settings()
        steps = jobs.analyse(self.kept, self.models.choice(), read_image(image), settings)
        self.job.start(_analysis_layers(image, settings, steps), partial(self._show, image))

    def _show(self, image: Image, result: tuple[Analysis, Models, tuple[Labels, Shapes]]) -> str:
        self.check(image)
        analysis, models, layers = result
        show_labels(self.viewer.layers, image, *layers)
        return describe_analysis(analysis, models)


class SegmentCells(ToolWidget):
    """Outline the white blood cells of an image."""

    def __init__(self, napari_viewer: Viewer, load: jobs.Load = jobs.load_models) -> None:
        super().__init__(napari_viewer, "Segment cells", load)
        self.image = self.add_choice("Image", Image)
        self.add_form(settings=True, models=("segmenter",))
        self.add_panel()

    def start(self) -> None:
        """Image → Labels."""
        image = chosen(self.image)
        steps = jobs.segment(self.kept, self.models.choice(), read_image(image), self.settings())
        self.job.start(_segmentation_layer(image, steps), partial(self._show, image))

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
            show_types(self.viewer.layers, image, labels, result[0], MadeBy.of(result[1], Settings()))
        return describe_analysis(*result)


def _analysis_layers(
    image: Image, settings: Settings, steps: Steps[tuple[Analysis, Models]]
) -> Steps[tuple[Analysis, Models, tuple[Labels, Shapes]]]:
    """What the steps find, with its layers, which are made in the thread too: with 20 megapixels that takes half a second."""
    analysis, models = yield from steps
    return analysis, models, analysis_layers(image, analysis, MadeBy.of(models, settings))


def _segmentation_layer(image: Image, steps: Steps[tuple[Segmentation, Models]]) -> Steps[tuple[Segmentation, Models, Labels]]:
    """What the steps find, with its layer, made in the thread too."""
    segmentation, models = yield from steps
    return segmentation, models, labels_layer(image, segmentation)
