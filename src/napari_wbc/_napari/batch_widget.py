"""The widget *Analyse folder*: a folder of images in, a results folder out, by the engine of the command line."""

from __future__ import annotations

from pathlib import Path

from napari.viewer import Viewer
from qtpy.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QLineEdit, QListWidget, QToolButton

from ..batch import RunSummary
from ..errors import UsageError
from . import jobs
from .status import describe_run
from .tool import ToolWidget


class AnalyseFolder(ToolWidget):
    """Analyse all images of a folder; what is done already is left as it is."""

    def __init__(self, napari_viewer: Viewer, load: jobs.Load = jobs.load_models) -> None:
        super().__init__(napari_viewer, "Analyse folder", load, "Cancelled: what is finished is kept, the same again goes on.")
        self.folder = self._folder("Images", "Folder of images, searched to the bottom; each sub-folder is a slide.")
        self.out = self._folder("Results", "A new or empty folder, or that of an earlier run, which is continued.")
        self.retry = QCheckBox("Try failed images again")
        self.retry.setToolTip("Images that failed in an earlier run are tried again although nothing has changed.")
        self._layout.addWidget(self.retry)
        self.add_form(settings=True, models=("segmenter", "classifier"))
        self.add_panel()
        self.failed = QListWidget()
        self.failed.setToolTip("Images that could not be analysed, and why.")
        self.failed.setWordWrap(True)
        self.failed.hide()
        self._layout.insertWidget(self._layout.count() - 1, self.failed)

    def start(self) -> None:
        """Folder → results folder."""
        if not self.folder.text().strip() or not self.out.text().strip():
            raise UsageError("Choose the folder of the images and the folder for the results.")
        folder, out = Path(self.folder.text().strip()), Path(self.out.text().strip())
        retry = self.retry.isChecked()
        self.failed.hide()
        self.job.start(jobs.analyse_folder(self.kept, self.models.choice(), folder, out, self.settings(), retry), self._show)

    def _show(self, result: RunSummary) -> str:
        self.failed.clear()
        failed = result.summary.failed if result.summary else ()
        self.failed.addItems([f"{row.image}: {row.error}" for row in failed])
        self.failed.setVisible(bool(failed))
        return describe_run(result)

    def _folder(self, label: str, tooltip: str) -> QLineEdit:
        """A line for a folder, with a button to choose one."""
        line, row, button = QLineEdit(), QHBoxLayout(), QToolButton()
        line.setToolTip(tooltip)
        button.setText("…")
        button.setToolTip("Choose a folder")
        button.clicked.connect(lambda _=False: self._browse(line))
        row.addWidget(line)
        row.addWidget(button)
        self._choice_layout.addRow(label, row)
        return line

    def _browse(self, line: QLineEdit) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder", line.text())
        if folder:
            line.setText(folder)
