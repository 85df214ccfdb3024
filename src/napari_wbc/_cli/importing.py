"""What the command line shows of imports and exports: the progress bar, and the counts at the end."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from rich import progress as bars
from rich.console import Console

from ..datasets import ImportSummary
from ..exchange.transfer import Transfer
from ..results.runfile import Progress
from .terminal import MOST

T = TypeVar("T")


def follow(steps: Generator[Progress, None, T]) -> T:
    """Run to the end, with a progress bar on stderr, and one line there for each image that failed."""
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeRemainingColumn())
    with bars.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("images", total=None)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            bar.update(task, total=step.total, completed=step.done)
            if step.status == "failed":
                console.print(f"Failed: {step.image}: {step.error}", soft_wrap=True)


def import_text(summary: ImportSummary) -> str:
    """What was imported, by type, and what was not."""
    counts, kept = summary.run.counts, summary.run.kept
    done = [image for image in summary.summary.images if image.status == "done"]
    vouched = sum(image.reviewed_by is not None for image in done)
    lines = [
        f"{counts.done} images imported, {counts.failed} failed, {len(summary.left_out)} files or folders left out.",
        *(f"  {row.cell_type:<13} {row.n:>7}" for row in summary.summary.pooled if row.n),
        f"{summary.summary.n_cells} cells. For training: outlines of {vouched} images, types of the cells that have one.",
    ]
    if vouched < len(done):
        lines.append("The outlines of the other images are stand-ins for boxes, or doubtful: no segmenter learns them.")
    if kept:
        lines += [f"{len(kept)} images kept as a person has corrected them since:", *(f"  {image}" for image in kept[:MOST])]
    return "\n".join([*lines, f"Results: {summary.out.absolute()}"])


def export_text(transfer: Transfer) -> str:
    """What was exported."""
    return f"{len(transfer.done)} images exported to {transfer.target.absolute()}"


def changes_text(transfer: Transfer) -> str:
    """What an import changed in a results folder."""
    return (
        f"{len(transfer.done)} images changed, {len(transfer.skipped)} left as they were, {len(transfer.failed)} failed. "
        "What changed is marked as a person's."
    )
