"""What the command line says: results, models and judgements in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ..batch import RunSummary
from ..batch.resume import Task
from ..batch.verify import Verification
from ..evaluate import Evaluation
from ..results.summary import Summary

if TYPE_CHECKING:
    from ..nets import BundledModel

RESEARCH_USE = "Research use only: these are suggestions of a program, for a person to verify."

SOUND = "Nothing is missing or altered since the run, or a person who worked on its results, last wrote it."

MOST = 20
"""Images listed on the terminal; all of them are in the tables."""


def counted(n: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def task_text(task: Task) -> str:
    """What a run would do with an image, and why."""
    return f"{task.need:<5} {task.image.name}: {task.why}"


def needs_text(tasks: Sequence[Task]) -> str:
    """How many images a run would analyse, and how many it would leave, by what they need."""
    needs = Counter(task.need for task in tasks)
    n_work = sum(task.is_work for task in tasks)
    each = ", ".join(f"{n} {need}" for need, n in sorted(needs.items()))
    return f"{counted(len(tasks), 'image')}, of which {n_work} would be analysed ({each}). Nothing was written."


def run_text(summary: RunSummary) -> str:
    """What a run did, and what its folder holds now."""
    counts, kept, unsearched = summary.run.counts, summary.run.kept, summary.run.unsearched
    lines = [
        f"This run: {counts.done} done, {counts.failed} failed, {counts.skipped} left as they were, on {summary.run.device}."
    ]
    if counts.stale or counts.retried:
        lines.append(f"Among them {counts.stale} changed since they were last analysed, {counts.retried} tried again.")
    if kept:
        lines.append("Changed since, but kept, because a person has worked on them:")
        lines += _first(kept)
    if summary.summary is None:
        failed = f"{counted(summary.n_failed, 'image')} of this shard failed. " if summary.n_failed else ""
        then = f"{failed}When all shards are done: napari-wbc collect {summary.out}"
        return "\n".join([*lines, then, *_missing(unsearched)])
    return "\n".join([*lines, folder_text(summary.summary, summary.out, unsearched)])


def folder_text(summary: Summary, out: Path, unsearched: Sequence[str] = ()) -> str:
    """Cells by type, images that failed, where the results are, and which folders of the input could not be searched."""
    n_failed, n_strange = len(summary.failed), len(summary.strange)
    n_done = len(summary.images) - n_failed
    warning = f"Warning: {n_strange} of {n_done} images are unlike those the segmenter knows: see domain_reason in images.csv."
    lines = [
        _differential(summary),
        f"{counted(n_done, 'image')} done, {n_failed} failed, {counted(summary.n_cells, 'cell')}.",
        *_first([f"{image.image}: {image.error}" for image in summary.failed]),
        *([warning] if n_strange else []),
        f"Results: {out.absolute()}",
        f"Report:  {out.absolute() / 'report.html'}",
        RESEARCH_USE,
        *_missing(unsearched),
    ]
    return "\n".join(lines)


def _missing(unsearched: Sequence[str]) -> list[str]:
    """That images may be missing, if they may."""
    return [f"Not searched, so images may be missing: {', '.join(unsearched)}"] if unsearched else []


def verification_text(result: Verification) -> str:
    """What a verification has looked at, and everything that is wrong."""
    close = f", {result.n_close} of them with other last digits, as on other processors" if result.n_close else ""
    lines = [f"{finding.file}: {finding.problem}" for finding in result.findings]
    gone = [one.file for one in result.findings if one.problem == "missing" and not one.file.startswith("labels/")]
    persons = f"{counted(result.n_by_persons, 'image')} worked on by a person: only the files are looked at."
    none = "None is left to be analysed again: all failed, are not as they should be, or a person or other models made them."
    return "\n".join(
        [
            *lines,
            *(["Where images have moved, name their folder with --images."] if gone else []),
            f"{counted(result.n_images, 'image')} with their files looked at, {result.n_again} analysed again{close}.",
            *([persons] if result.n_by_persons else []),
            *([] if result.n_candidates else [none]),
            f"Not as it should be: {counted(len(lines), 'file')}." if lines else SOUND,
        ]
    )


def truth_text(evaluation: Evaluation) -> str:
    """Results against a known truth, in two sentences."""
    objects, naming = evaluation.objects, evaluation.naming
    false = objects.precision_50.n - objects.precision_50.k
    text = f"\nAgainst what was drawn: {objects.recall_50.k}/{objects.recall_50.n} cells found, {false} false."
    if naming is None:
        return text
    return f"{text}\nOf the cells found, {naming.accuracy.k}/{naming.accuracy.n} got the name that they were drawn as."


def model_text(model: BundledModel) -> str:
    """A model and its card."""
    card = model.card
    network = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in card.architecture}
    facts = [
        ("network", ", ".join([network.pop("network"), *(f"{name} {value}" for name, value in network.items())])),
        ("outputs", ", ".join(card.outputs)),
        ("size", f"{model.size / 1e6:.1f} MB"),
        ("SHA-256", model.sha256),
        ("pixel size", f"{card.um_per_px} µm" if card.um_per_px else ""),
        ("knows", ", ".join(card.domain or {})),
        *(("data", text) for text in card.data),
        ("split", card.split),
        ("recipe", card.recipe),
        ("start weights", card.start_weights),
        *(("licence", text) for text in card.licences),
        *(("figure", f"{name}: {value}") for name, value in card.metrics.items()),
        ("use", "research only: not for diagnosis"),
    ]
    return "\n".join([f"{model.name}: {card.task}", *(f"  {name:<13}  {value}" for name, value in facts if value)])


def _differential(summary: Summary) -> str:
    """The pooled differential as a table."""
    table = Table(title="White blood cells, all slides pooled", title_justify="left")
    table.add_column("cell type")
    for name in ("n", "%", "95 % interval"):
        table.add_column(name, justify="right")
    for row in summary.pooled:
        percent = "" if row.percent is None else f"{row.percent:.1f}"
        table.add_row(row.cell_type, str(row.n), percent, percent and f"{row.ci_low:.1f} - {row.ci_high:.1f}")
    console = Console(markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip("\n")


def _first(texts: tuple[str, ...] | list[str]) -> list[str]:
    """The first lines, and how many there are more."""
    more = [f"  and {len(texts) - MOST} more: see images.csv"] if len(texts) > MOST else []
    return [f"  {text}" for text in texts[:MOST]] + more
