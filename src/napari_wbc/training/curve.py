"""The course of a training as a table and a picture."""

from __future__ import annotations

import csv
from io import BytesIO, StringIO
from pathlib import Path

from ..results.storage import write_bytes
from .state import History


def write_curve(folder: Path, history: History) -> None:
    """Write `curve.csv` and `curve.png`: loss and validation scores of every epoch, the best one marked.

    Raises
    ------
    StorageError
        If they cannot be written.
    """
    write_bytes(folder, folder / "curve.csv", _table(history).encode())
    write_bytes(folder, folder / "curve.png", _picture(history))


def _table(history: History) -> str:
    """Epoch (from 1), loss, the scores by name, seconds, best."""
    names = list(history.epochs[0].scores)
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", "loss", *names, "seconds", "best"])
    for e in history.epochs:
        scores = [f"{e.scores[name]:.6f}" for name in names]
        best = "true" if e is history.best else "false"
        writer.writerow([e.number + 1, f"{e.loss:.6f}", *scores, f"{e.seconds:.1f}", best])
    return text.getvalue()


def _picture(history: History) -> bytes:
    """PNG: loss above, scores below."""
    from matplotlib.figure import Figure

    numbers = [e.number + 1 for e in history.epochs]
    figure = Figure(figsize=(6, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(numbers, [e.loss for e in history.epochs], "o-", color="#666666")
    above.set_ylabel("training loss")
    for name in history.epochs[0].scores:
        below.plot(numbers, [e.scores[name] for e in history.epochs], "o-", label=name)
    below.axvline(history.best.number + 1, color="#BBBBBB", linestyle="--", label="best")
    below.set_ylabel("validation score")
    below.set_xlabel("epoch")
    below.legend()
    file = BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()
