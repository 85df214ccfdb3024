"""The four dock widgets: layers and a form in, layers out; what happens between is in `jobs` and `place`."""

from __future__ import annotations

from functools import partial

from napari.layers import Image, Labels
from napari.viewer import Viewer

from ..cells import Analysis, Segmentation
from ..config import Settings
from ..pipeline import Models
from . import jobs
from .inputs import read_image, read_labels
from .origin import MadeBy
from .place import show_analysis, show_boxes, show_segmentation, show_types
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
        self.job.start(steps, partial(self._show, image, settings))

    def _show(self, image: Image, settings: Settings, result: tuple[Analysis, Models]) -> str:
        self.check(image)
        show_analysis(self.viewer.layers, image, result[0], MadeBy.of(result[1], settings))
        return describe_analysis(*result)


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
        self.job.start(steps, partial(self._show, image))

    def _show(self, image: Image, result: tuple[Segmentation, Models]) -> str:
        self.check(image)
        show_segmentation(self.viewer.layers, image, result[0])
        return describe_segmentation(*result)


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
