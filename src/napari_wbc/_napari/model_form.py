"""Form: which models to use, and on which device; and the choice of a model for all widgets."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QApplication, QComboBox, QFileDialog, QHBoxLayout, QLineEdit, QToolButton, QWidget

from .form import form_layout
from .jobs import ModelChoice
from .preferences import preferences

DEVICES = ("auto", "cpu", "cuda", "mps")


class ModelForm(QWidget):
    """Names or files of the models, and the device."""

    def __init__(self, stages: Sequence[str] = ("segmenter", "classifier")) -> None:
        super().__init__()
        layout = form_layout(self)
        chosen = preferences("models") or ModelChoice()
        self.models = {stage: QLineEdit(getattr(chosen, stage)) for stage in stages}
        for stage, line in self.models.items():
            line.setToolTip("Name of a model that comes with napari-wbc, or a model file (.safetensors).")
            row = QHBoxLayout()
            row.addWidget(line)
            button = QToolButton()
            button.setText("…")
            button.setToolTip("Choose a model file")
            button.clicked.connect(lambda _=False, line=line: self._browse(line))
            row.addWidget(button)
            layout.addRow(stage.capitalize(), row)
        self.device = QComboBox()
        self.device.addItems(list(DEVICES))
        self.device.setToolTip("Where the networks run; auto takes the fastest there is. The status tells which was used.")
        layout.addRow("Device", self.device)

    def choice(self) -> ModelChoice:
        """What the user has chosen."""
        names = {stage: line.text().strip() for stage, line in self.models.items()}
        return ModelChoice(**names, device=self.device.currentText())

    def _browse(self, line: QLineEdit) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose a model file", line.text(), "Models (*.safetensors);;All files (*)")
        if path:
            line.setText(path)


def use_model(stage: str, name: str) -> None:
    """Have a model used by all forms that are open, and, where napari keeps preferences of plugins, by those opened later."""
    chosen = preferences("models")
    if chosen is not None:
        setattr(chosen, stage, name)
    for form in [form for top in QApplication.topLevelWidgets() for form in top.findChildren(ModelForm)]:
        if stage in form.models:
            form.models[stage].setText(name)
