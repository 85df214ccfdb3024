"""What a reader of a report is warned of: cells that nobody has looked at, few cells, many without a name, strange images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..config import UNCOUNTED_TYPES, UNIDENTIFIED
from ..differential import POOLED, TypeCount, n_counted
from ..proportion import Proportion
from ..results.record import ImageRow
from ..results.summary import Summary

FEW_CELLS = 100
"""Counted cells below which a differential is said to rest on few: as many as are usual when a person counts."""

MUCH_UNIDENTIFIED = 0.05
"""Share of cells without a name above which a reader is warned."""

MOST_REASONS = 12
"""Reasons that are told apart."""


def cautions(summary: Summary) -> list[str]:
    """The warnings, in plain sentences; none where there is nothing to warn of."""
    done = [image for image in summary.images if image.status == "done"]
    found = [
        _unreviewed(summary),
        _few(summary),
        _unidentified(summary.pooled),
        _strange(summary, len(done)),
        _assumed(done),
        f"{_images(len(summary.failed))} could not be analysed; the reasons stand below." if summary.failed else "",
    ]
    return [text for text in found if text]


def _reasons(images: Sequence[ImageRow]) -> list[tuple[str, int]]:
    """In how many images each reason occurs, the most frequent first, without the numbers that differ from image to image."""
    counts: Counter[str] = Counter()
    for image in images:
        counts.update({part.partition(" (")[0].strip() for part in (image.domain_reason or "").split("; ")} - {""})
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_REASONS]


def _unreviewed(summary: Summary) -> str:
    n = sum(row.n_unreviewed for row in summary.pooled)
    return f"No person has looked at {n} of {summary.n_cells} cells." if n else ""


def _few(summary: Summary) -> str:
    """Too few cells in all, or on some slides."""
    counted: Counter[str] = Counter()
    for row in summary.differential:
        counted[row.slide] += 0 if row.cell_type in UNCOUNTED_TYPES else row.n
    pooled = counted.pop(POOLED, 0)
    if pooled < FEW_CELLS:
        return f"Few cells: only {pooled} are counted in all, fewer than {FEW_CELLS}, so the intervals are wide."
    few = sum(n < FEW_CELLS for n in counted.values())
    if not few:
        return ""
    have = "has" if few == 1 else "have"
    return f"Few cells: {few} of {len(counted)} slides {have} fewer than {FEW_CELLS} counted, so the intervals there are wide."


def _unidentified(pooled: Sequence[TypeCount]) -> str:
    """The share is of the cells that were to be named: counted or unidentified."""
    k = sum(row.n for row in pooled if row.cell_type == UNIDENTIFIED)
    share = Proportion(k=k, n=k + n_counted(pooled))
    if (share.value or 0) <= MUCH_UNIDENTIFIED:
        return ""
    return f"Many cells have no name: {k} of {share.n} ({100 * k / share.n:.1f} %) are unidentified and not counted."


def _strange(summary: Summary, n_done: int) -> str:
    strange = [image for image in summary.strange if image.status == "done"]
    if not strange:
        return ""
    reasons = ", ".join(f"{reason} ({n})" for reason, n in _reasons(strange))
    be = "is" if len(strange) == 1 else "are"
    text = f"{len(strange)} of {_images(n_done)} {be} unlike those that the segmenter was trained on, so expect more errors"
    return f"{text}: {reasons}." if reasons else f"{text}."


def _assumed(done: Sequence[ImageRow]) -> str:
    n = sum(image.scale_source == "assumed" for image in done)
    if not n:
        return ""
    return f"The pixel size of {_images(n)} is only assumed: there are no sizes in µm, and cells may have been missed."


def _images(n: int) -> str:
    return f"{n} image" if n == 1 else f"{n} images"
