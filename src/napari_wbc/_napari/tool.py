"""What the dock widgets share: choices of layers, a form, and the panel that runs the job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import ComboBox
from napari.layers import Layer
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QFormLayout, QFrame, QMainWindow, QScrollArea, QVBoxLayout, QWidget

from ..config import Settings, make_settings
from ..errors import UsageError, WbcError
from . import jobs
from .blind import blind
from .canvas import Canvas, main_window
from .curtain import Curtain
from .form import Section, SettingsForm
from .model_form import ModelForm
from .worker import JobPanel

BASIC = ("um_per_px", "separate_touching")
"""Settings that are always seen; the others are under Advanced."""

READING = ("max_megapixels",)
"""Settings of reading a file, which napari has done already."""

LINES_PX = 2
"""Width of the lines that napari draws to the left and right of a dock widget."""

ADVANCED = tuple(name for name in Settings.model_fields if name not in BASIC + READING)


class ToolWidget(QScrollArea):
    """What the widgets share: choices of layers, a form, a panel to run the job; scrolls where the dock is small."""

    def __init__(self, viewer: Viewer, title: str, load: jobs.Load, cancelled: str = "Cancelled") -> None:
        super().__init__()
        self.viewer = viewer
        self.kept = jobs.KeptModels(load)
        self.job = JobPanel(title, cancelled)
        self.job.run_button.clicked.connect(self._run)
        inside = QWidget()
        self._layout = QVBoxLayout(inside)
        self._choices: list[ComboBox] = []
        self._choice_layout = QFormLayout()
        self._layout.addLayout(self._choice_layout)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._first_seen = QTimer(self)
        self._first_seen.setSingleShot(True)
        self._first_seen.timeout.connect(self._widen)
        Canvas(viewer, self)

    def add_choice(self, label: str, kind: type[Layer]) -> ComboBox:
        """A choice among the layers of a kind; the active layer, if it is one, comes first."""
        box = ComboBox(name=label, choices=lambda _: [layer for layer in self.viewer.layers if isinstance(layer, kind)])
        box.tooltip = f"The {kind.__name__} layer to work on; the active one is taken first."
        self._choices.append(box)
        self._choice_layout.addRow(label, box.native)
        active = self.viewer.layers.selection.active
        if isinstance(active, kind):
            box.value = active
        return box

    def add_form(self, *, settings: bool, models: tuple[str, ...]) -> None:
        """The settings, if wanted, and under Advanced the choice of models."""
        self.basic, self.advanced, self.models = SettingsForm(BASIC), SettingsForm(ADVANCED), ModelForm(models)
        if settings:
            self._layout.addWidget(self.basic)
        self._layout.addWidget(Section("Advanced", *([self.advanced] if settings else []), self.models))

    def add_panel(self, *, curtain: bool = True) -> None:
        """The buttons and the status, last; with a curtain for blind readings before it all."""
        self._layout.addWidget(self.job)
        self._layout.addStretch()
        if curtain:
            Curtain(self)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Wide enough for what is inside, a scroll bar beside it, and the lines that napari draws around."""
        hint, inside, bar = super().sizeHint(), self.widget(), self.verticalScrollBar()
        if inside is not None and bar is not None:
            hint.setWidth(inside.sizeHint().width() + bar.sizeHint().width() + LINES_PX)
        return hint

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Have the dock widened when it is first seen: Qt leaves it as wide as the one that was there before."""
        super().showEvent(event)
        self._first_seen.start()

    def _widen(self) -> None:
        self._first_seen.timeout.disconnect(self._widen)
        dock, window = self.parent(), main_window(self)
        if isinstance(dock, QDockWidget) and isinstance(window, QMainWindow) and self.width() < self.sizeHint().width():
            window.resizeDocks([dock], [self.sizeHint().width()], Qt.Orientation.Horizontal)

    def settings(self) -> Settings:
        """The settings of the form."""
        return make_settings(self.basic.values() | self.advanced.values())

    def reset_choices(self, event: object = None) -> None:
        """Called by napari when layers come, go, move or change their names."""
        for box in self._choices:
            box.reset_choices()

    def event(self, event: QEvent | None) -> bool:
        """A widget that is taken out of its dock (closed) cancels its job."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.job.cancel()
        return bool(super().event(event))

    def start(self) -> None:
        """Start the job with what is chosen."""
        raise NotImplementedError

    def _run(self, _: bool = False) -> None:
        self.report_errors(self.start)

    def report_errors(self, work: Callable[[], object]) -> None:
        """Do something; an error is shown."""
        try:
            work()
        except WbcError as error:
            self.job.report(error)

    def check(self, *layers: Layer) -> None:
        """Refuse a result whose layers were closed meanwhile, or that would tell a blind reader names."""
        if blind.on:
            raise UsageError("A blind reading runs: analyse again when it has ended.")
        for layer in layers:
            if layer not in self.viewer.layers:
                raise UsageError(f"Layer '{layer.name}' was closed while it was analysed; the result is not shown.")


def window_closed(widget: QWidget, watched: QObject | None, event: QEvent | None) -> bool:
    """Whether the event, seen by an event filter, says that napari's window has closed: the program has hidden it."""
    hides = event is not None and event.type() == QEvent.Type.Hide and not event.spontaneous()
    return hides and watched is main_window(widget)


def chosen(box: ComboBox) -> Any:
    """The layer of a choice.

    Raises
    ------
    UsageError
        If there is none.
    """
    if box.value is None:
        raise UsageError(f"No layer to choose under {box.name}. Open an image first (File > Open, or File > Open Sample).")
    return box.value
