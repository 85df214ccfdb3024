"""Forms generated from `config.Settings`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..config import Settings

DECIMALS = 4
AUTOMATIC = "automatic"
TITLES = {"um_per_px": "Pixel size", "min_area_px": "Smallest cell"}
"""Labels of settings whose names do not read well."""


class NumberBox(QDoubleSpinBox):
    """A spin box for real numbers that shows no needless zeros."""

    def textFromValue(self, value: float) -> str:  # noqa: N802
        """The number as briefly as possible, with the decimal sign of the user's language."""
        return str(self.locale().toString(value, "g", 6))


class SettingsForm(QWidget):
    """Some of the settings, each with its label, range, unit and description. An empty one is shown as "automatic"."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        layout = form_layout(self)
        self.editors: dict[str, QWidget] = {}
        for name in names:
            info = Settings.model_fields[name]
            editor = _editor(info)
            editor.setToolTip(info.description or "")
            editor.setAccessibleName(label(name))
            self.editors[name] = editor
            layout.addRow("" if isinstance(editor, QCheckBox) else label(name), editor)
            if isinstance(editor, QCheckBox):
                editor.setText(label(name))

    def values(self) -> dict[str, Any]:
        """What the user has set, by name; an automatic setting is None."""
        return {name: _value(editor) for name, editor in self.editors.items()}


def label(name: str) -> str:
    """The label of a setting: its title, else its name in words; and its unit."""
    info = Settings.model_fields[name]
    words = info.title or TITLES.get(name) or name.removesuffix("_px").replace("_", " ").capitalize()
    unit = info.json_schema_extra.get("unit") if isinstance(info.json_schema_extra, dict) else None
    return f"{words} ({unit})" if unit else words


class Section(QWidget):
    """A heading that opens and closes what is under it; closed at first.

    superqt's `QCollapsible` fixes the height of its content, and squeezes rows whose label stands above the editor.
    """

    def __init__(self, title: str, *widgets: QWidget) -> None:
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setToolTip("Show or hide what is seldom changed.")
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.toggled.connect(self._open)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        self._widgets = widgets
        for widget in widgets:
            layout.addWidget(widget)
        self._open(False)

    def _open(self, opened: bool) -> None:
        self.button.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        for widget in self._widgets:
            widget.setVisible(opened)


def form_layout(parent: QWidget) -> QFormLayout:
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    return layout


def _editor(info: FieldInfo) -> QWidget:
    """The editor of a setting, with its range, unit and default."""
    if info.annotation is bool:
        box = QCheckBox()
        box.setChecked(info.default)
        return box
    low, high = _range(info)
    if info.annotation is int:
        whole = QSpinBox()
        whole.setRange(int(low), int(high))
        whole.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType)
        whole.setValue(info.default)
        return whole
    editor = NumberBox()
    editor.setDecimals(DECIMALS)
    editor.setRange(low, high)
    editor.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    if info.default is None:
        editor.setSpecialValueText(AUTOMATIC)
    editor.setValue(low if info.default is None else info.default)
    return editor


def _range(info: FieldInfo) -> tuple[float, float]:
    """Lowest and highest value; of an automatic setting the lowest stands for "automatic", so it may be an excluded bound."""
    low, high = 0.0, 1e9
    for bound in info.metadata:
        if isinstance(bound, Ge):
            low = float(bound.ge)  # type: ignore[arg-type]
        elif isinstance(bound, Gt):
            low = float(bound.gt) + (0 if info.default is None else 10**-DECIMALS)  # type: ignore[arg-type]
        elif isinstance(bound, Le):
            high = float(bound.le)  # type: ignore[arg-type]
        elif isinstance(bound, Lt):
            high = float(bound.lt) - 10**-DECIMALS  # type: ignore[arg-type]
    return low, high


def _value(editor: QWidget) -> Any:
    if isinstance(editor, QCheckBox):
        return editor.isChecked()
    if isinstance(editor, QSpinBox):
        return editor.value()
    assert isinstance(editor, NumberBox)
    return None if editor.specialValueText() and editor.value() == editor.minimum() else editor.value()
