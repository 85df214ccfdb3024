"""Run a generator of steps in a thread, with a Run and a Cancel button, a progress bar and a status line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget
from superqt.utils import GeneratorWorker

from ..errors import WbcError
from ..pipeline import Step, Steps
from .calm import catch_up
from .notice import Notice

log = logging.getLogger(__name__)
T = TypeVar("T")

PROGRESS_AFTER_MS = 400
"""A job that ends earlier shows no progress. What moves by itself, as a bar without an end does, is painted all the time by one
of two processors that the networks need: an image of 720 × 576 px took 1.6 times as long."""


class StepsWorker(GeneratorWorker[Step, None, Any]):
    """Runs a generator to its end, or to the step after `quit`, and closes it in the same thread.

    superqt's own loop leaves the generator open after `quit`, and drops a `RuntimeError` (all of torch's are) without
    emitting `errored` or `finished`.
    """

    def work(self) -> Any:
        """Called in the thread."""
        try:
            while not self.abort_requested:
                self.yielded.emit(next(self._gen))
            self.aborted.emit()
        except StopIteration as end:
            return end.value
        finally:
            self._gen.close()
        return None


def _run(steps: Steps[T]) -> Steps[T]:
    return (yield from steps)


def _collect_again(_: None = None) -> None:
    catch_up()


class JobPanel(QWidget):
    """Buttons, progress and status of one kind of job; at most one runs at a time.

    Parameters
    ----------
    title
        Text of `run_button`; whoever owns the panel connects it.
    cancelled
        What the status says after Cancel.
    """

    def __init__(self, title: str, cancelled: str = "Cancelled") -> None:
        super().__init__()
        self._cancelled = self._says_cancelled = cancelled
        self._worker: StepsWorker | None = None
        self._show: Callable[[Any], str] | None = None
        self.run_button = QPushButton(title)
        self.run_button.setToolTip(f"{title}: begin with what is chosen above.")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop at the next step; what is shown stays as it is.")
        self.cancel_button.clicked.connect(self.cancel)
        self.cancel_button.setEnabled(False)
        self.progress = QProgressBar()
        self.progress.hide()
        self._show_progress = QTimer(self)
        self._show_progress.setSingleShot(True)
        self._show_progress.timeout.connect(self.progress.show)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, stretch=2)
        buttons.addWidget(self.cancel_button, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        for widget in (self.progress, self.status, Notice()):
            layout.addWidget(widget)

    @property
    def running(self) -> bool:
        """Whether a job has not ended yet; a cancelled one ends with its current step."""
        return self._worker is not None

    def start(self, steps: Steps[T], show: Callable[[T], str], cancelled: str = "") -> None:
        """Run steps in a thread, then `show` their result here in the GUI thread; it returns the text of the status.

        `cancelled` is what the status says after Cancel, if not the same as of other jobs here.
        """
        self._show, self._says_cancelled = show, cancelled or self._cancelled
        self._worker = create_worker(_run, steps, _worker_class=StepsWorker, _start_thread=False, _ignore_errors=True)
        self._worker.yielded.connect(self._on_step)
        self._worker.returned.connect(self._on_returned)
        self._worker.errored.connect(self._on_errored)
        self._worker.finished.connect(_collect_again)  # also where this panel is gone by then
        self._worker.finished.connect(self._on_finished)
        self.run_button.setEnabled(False)
        self.cancel_button.setEnabled(True)
        self._on_step(Step("start", 0, 1))
        self._show_progress.start(PROGRESS_AFTER_MS)
        self.status.setText("")
        self._worker.start()

    def cancel(self) -> None:
        """Stop at the next step; whatever comes of this job later is ignored."""
        if self._worker is not None and self._show is not None:
            self._show = None
            self._worker.quit()
            self.cancel_button.setEnabled(False)
            self._hide_progress()
            self.status.setText(self._says_cancelled)

    def report(self, error: Exception) -> None:
        """Show an error as one sentence; one that nobody raised on purpose goes to the log as well."""
        text = str(error)
        if not isinstance(error, WbcError):
            log.error("Unexpected error", exc_info=error)
            text = f"Unexpected error, please report it: {type(error).__name__}: {error}"
        self.status.setText(text)
        show_error(text)

    def _on_step(self, step: Step) -> None:
        if self._show is not None:
            self.progress.setRange(0, max(step.total, 1))
            self.progress.setValue(step.done)
            self.progress.setFormat(f"{step.stage}: %v of %m" if step.total > 1 else step.stage)

    def _on_returned(self, result: Any) -> None:
        if self._show is not None:
            try:
                self.status.setText(self._show(result))
            except WbcError as error:
                self.report(error)

    def _on_errored(self, error: Exception) -> None:
        if self._show is not None:
            self.report(error)

    def _on_finished(self, _: None = None) -> None:
        self._worker = self._show = None
        self._hide_progress()
        self.run_button.setEnabled(True)
        self.cancel_button.setEnabled(False)

    def _hide_progress(self) -> None:
        self._show_progress.stop()
        self.progress.hide()
