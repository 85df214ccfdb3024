"""The widget *Train a model*: reviewed folders in, a model file out, compared with the one it began with."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from napari.viewer import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QListWidget, QSizePolicy, QToolButton

from ..errors import UsageError
from ..pipeline import Step, Steps
from ..results.summary import Learnable, learnable
from . import jobs
from .controls import button, choice
from .model_form import use_model
from .status import describe_learnable
from .tool import ToolWidget

if TYPE_CHECKING:
    from ..training.train import Outcome

CURVE_MS = 2000


class Curve(QLabel):
    """The picture of a curve, as wide as the dock."""

    def __init__(self) -> None:
        super().__init__()
        self._picture = QPixmap()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip("Loss of the training and score on held-out cells, epoch by epoch.")

    def show_file(self, path: Path) -> None:
        """Show the picture in a file, if it is there."""
        self._picture = QPixmap(str(path))
        self._fit()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """The dock is wider or narrower."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if self._picture.isNull():
            self.clear()
        else:
            smooth = Qt.TransformationMode.SmoothTransformation
            self.setPixmap(self._picture.scaledToWidth(max(1, self.width()), smooth))


class TrainModel(ToolWidget):
    """Learn from what a person has corrected; Cancel stops, the same again continues."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, "Train", jobs.load_models, "Stopped: the same again goes on with the next epoch.")
        self.what = choice(
            ["classifier", "segmenter"],
            "The classifier learns from cells that a person named, the segmenter from images vouched for.",
        )
        self.model = QLineEdit()
        self.model.setPlaceholderText("my-model.safetensors")
        self.model.setToolTip("The file to write, .safetensors; name it later under Advanced to use the model.")
        self._choice_layout.addRow("Train", self.what)
        choose = QToolButton()
        choose.setText("…")
        choose.setToolTip("Choose where the model file is written")
        choose.clicked.connect(lambda _=False: self._name_model())
        row = QHBoxLayout()
        row.addWidget(self.model)
        row.addWidget(choose)
        self._choice_layout.addRow("Model file", row)
        self.folders = QListWidget()
        self.folders.setToolTip("Results folders with reviewed images.")
        self.folders.setMaximumHeight(80)
        self.found, self.curve = QLabel("No folder yet."), Curve()
        self.found.setWordWrap(True)
        self._layout.addWidget(self.folders)
        self._layout.addWidget(button("Add folder…", "Add a results folder with reviewed images.", self._browse))
        self._layout.addWidget(button("Empty the list", "Take all folders out of the list; they stay as they are.", self.empty))
        self._layout.addWidget(self.found)
        self.add_form(settings=False, models=())
        self.add_panel()
        self.use = button("Use this model", "Take the model file for all work from now on, and remember it.", self.use_model)
        for widget in (self.use, self.curve):
            self._layout.insertWidget(self._layout.count() - 1, widget)
        self._curve_of, self._counts = Path(), False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._show_curve)

    def add(self, folder: Path) -> None:
        """Add a results folder, and have counted what there is to learn from: of thousands of images that takes a while."""
        if self.job.running:
            self.job.report(UsageError("Wait for what runs here, or cancel it, and add the folder then."))
        else:
            self.job.start(_counted([*self.data(), folder]), partial(self._counted, folder), f"{folder} is not added.")
            self._counts = True

    def _counted(self, folder: Path, found: Learnable) -> str:
        self.folders.addItem(str(folder))
        self.found.setText(describe_learnable(found))
        return ""

    def empty(self) -> None:
        """Take all folders out of the list, also the one that is being counted."""
        if self._counts:
            self.job.cancel()
        self.folders.clear()
        self.found.setText("No folder yet.")

    def data(self) -> tuple[Path, ...]:
        """The folders of the list."""
        items = [self.folders.item(row) for row in range(self.folders.count())]
        return tuple(Path(item.text()) for item in items if item is not None)

    def start(self) -> None:
        """Folders → model file."""
        if not self.data() or not self.model.text().strip():
            raise UsageError("Add a results folder with reviewed images, and name the model file to write.")
        what = cast(jobs.What, self.what.currentText())
        self._curve_of = self._path.with_suffix(jobs.TRAINING) / "curve.png"
        self._counts = False
        self.job.start(jobs.train(what, self.data(), self._path, self.models.choice().device), self._done)
        self._timer.start(CURVE_MS)

    @property
    def _path(self) -> Path:
        return Path(self.model.text().strip())

    def _done(self, outcome: Outcome) -> str:
        self._show_curve()
        return str(outcome)

    def use_model(self) -> None:
        """Have all widgets use the model file, those that are open and those opened later."""
        self.report_errors(self._use_model)

    def _use_model(self) -> None:
        if not self._path.is_file():
            raise UsageError("There is no such model file yet. Name one, and press Train.")
        stage, name = self.what.currentText(), str(self._path.absolute())
        use_model(stage, name)
        self.job.status.setText(f"The {stage} in use is {name}. 'default' under Advanced is the one of the program.")

    def _show_curve(self) -> None:
        """The curve as it was written after the last epoch."""
        self.curve.show_file(self._curve_of)
        if not self.job.running:
            self._timer.stop()

    def _name_model(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Model file to write", self.model.text(), "Models (*.safetensors)")
        if name:
            self.model.setText(str(Path(name).with_suffix(".safetensors")))

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A results folder with reviewed images")
        if folder:
            self.add(Path(folder))


def _counted(folders: list[Path]) -> Steps[Learnable]:
    yield Step("count", 0, 1)
    return learnable(folders)
