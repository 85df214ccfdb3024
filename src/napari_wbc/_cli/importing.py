"""What the command line says of imports and exports: the counts at the end."""

from __future__ import annotations

from ..datasets import ImportSummary
from ..exchange.transfer import Transfer
from .terminal import MOST, counted


def import_text(summary: ImportSummary) -> str:
    """What was imported, by type, and what was not."""
    counts, kept = summary.run.counts, summary.run.kept
    done = [image for image in summary.summary.images if image.status == "done"]
    vouched = sum(image.reviewed_by is not None for image in done)
    n_cells = counted(summary.summary.n_cells, "cell")
    lines = [
        f"{counted(counts.done, 'image')} imported, {counts.failed} failed, {len(summary.left_out)} files or folders left out.",
        *(f"  {row.cell_type:<13} {row.n:>7}" for row in summary.summary.pooled if row.n),
        f"{n_cells}. For training: outlines of {vouched} images, types of the cells that have one.",
    ]
    if vouched < len(done):
        lines.append("The outlines of the other images are stand-ins for boxes, or doubtful: no segmenter learns them.")
    if kept:
        lines += [
            f"{counted(len(kept), 'image')} kept as a person has corrected them since:",
            *(f"  {image}" for image in kept[:MOST]),
        ]
    return "\n".join([*lines, f"Results: {summary.out.absolute()}"])


def export_text(transfer: Transfer) -> str:
    """What was exported."""
    return f"{counted(len(transfer.done), 'image')} exported to {transfer.target.absolute()}"


def changes_text(transfer: Transfer) -> str:
    """What an import changed in a results folder."""
    return (
        f"{counted(len(transfer.done), 'image')} changed, {len(transfer.skipped)} unchanged, {len(transfer.failed)} failed. "
        "What changed is marked as a person's."
    )
