"""`report.html`: what a person reads of a results folder first; one file that asks for nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..config import UNCOUNTED_TYPES, Settings, colour_of
from ..differential import TypeCount, n_counted
from ..results.runfile import RunFile
from ..results.storage import write_bytes
from ..results.summary import Summary
from .cautions import cautions
from .gallery import Gallery, make_gallery

NAME = "report.html"

MOST_LISTED = 100
"""Slides, failed images and the like that are listed; the tables of the folder have all."""

SCALES: dict[str, str] = {
    "user": "given by the user",
    "file": "from the file",
    "estimated": "estimated from the cells",
    "assumed": "assumed, so without sizes in µm",
    "": "unknown",
}
"""How the report tells where a pixel size comes from."""


@dataclass(frozen=True)
class _Slide:
    """A line of the table of slides."""

    name: str
    n_done: int
    n_failed: int
    n_strange: int
    counted: Sequence[TypeCount]
    n_counted: int
    n_uncounted: int


def write_report(out: Path, run: RunFile, summary: Summary) -> None:
    """Write `report.html`, with crops of those images that can be found; errors as in `storage.writing`."""
    write_bytes(out, out / NAME, render(run, summary, make_gallery(out, run, summary)).encode())


def render(run: RunFile, summary: Summary, gallery: Gallery | None = None) -> str:
    """The report as a text; every name in it is escaped. Equal input gives equal text.

    Parameters
    ----------
    run
        How the results were made.
    summary
        What the tables say.
    gallery
        Crops of cells; None shows none.
    """
    environment = Environment(
        loader=PackageLoader("napari_wbc", "exchange"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"colour": colour_of, "number": _number}
    return environment.get_template("report.html.jinja").render(
        run=run, summary=summary, gallery=gallery or Gallery(), most=MOST_LISTED, **_facts(run, summary)
    )


def _facts(run: RunFile, summary: Summary) -> dict[str, Any]:
    """What the template names beside `run` and `summary`."""
    counted = [row for row in summary.pooled if row.cell_type not in UNCOUNTED_TYPES]
    done = [image for image in summary.images if image.status == "done"]
    strange = [image for image in summary.strange if image.status == "done"]
    return {
        "cautions": cautions(summary),
        "settings": _settings(run),
        "imported": run.device == "none",
        "n_done": len(done),
        "counted": counted,
        "uncounted": [row for row in summary.pooled if row.cell_type in UNCOUNTED_TYPES],
        "n_counted": n_counted(counted),
        "n_reviewed": summary.n_cells - sum(row.n_unreviewed for row in summary.pooled),
        "slides": _slides(summary),
        "scales": [(SCALES[source], n) for source, n in sorted(Counter(image.scale_source or "" for image in done).items())],
        "strange": strange,
    }


def _slides(summary: Summary) -> list[_Slide]:
    """The slides in alphabetical order, those of which no image could be analysed included."""
    done = Counter(image.slide for image in summary.images if image.status == "done")
    failed = Counter(image.slide for image in summary.failed)
    strange = Counter(image.slide for image in summary.strange if image.status == "done")
    rows_of: dict[str, list[TypeCount]] = {}
    for row in summary.differential:
        rows_of.setdefault(row.slide, []).append(row)
    slides = []
    for slide in sorted({*done, *failed}):
        rows = rows_of.get(slide, [])
        counted = [row for row in rows if row.cell_type not in UNCOUNTED_TYPES]
        n, n_uncounted = n_counted(rows), sum(row.n for row in rows if row.cell_type in UNCOUNTED_TYPES)
        slides.append(_Slide(slide, done[slide], failed[slide], strange[slide], counted, n, n_uncounted))
    return slides


def _settings(run: RunFile) -> list[tuple[str, str]]:
    """Settings with their units, as texts."""
    fields = Settings.model_fields
    units = {
        name: str(extra.get("unit", "")) for name, field in fields.items() if isinstance(extra := field.json_schema_extra, dict)
    }
    return [
        (name, "not given" if value is None else f"{str(value).lower()} {units.get(name, '')}".strip())
        for name, value in run.settings.items()
    ]


def _number(value: float | None) -> str:
    """A percentage with one decimal, with two where one would make 0 or 100 of what is not; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.2f}" if 0 < value < 0.05 or 99.95 <= value < 100 else f"{value:.1f}"
