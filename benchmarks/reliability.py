"""Reliability of the top probability: how often the likeliest of the five types is right, by how likely it is said to be.

    python benchmarks/reliability.py OUT.png ROWS.csv ROWS.csv …

The rows are those that `judge.py types|zheng` leaves in WORK; a picture with one curve for each file.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from napari_wbc.config import CELL_TYPES

N_BINS = 10


def main(out: Path, files: list[Path]) -> None:
    """Draw the curves."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#BBBBBB", linestyle="--", label="perfect")
    for path in files:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["true_type"] in CELL_TYPES and row["likeliest"]]
        p = np.array([float(row["top_probability"]) for row in rows])
        right = np.array([row["likeliest"] == row["true_type"] for row in rows])
        bins = np.clip(np.ceil(p * N_BINS).astype(int) - 1, 0, N_BINS - 1)
        full = [b for b in range(N_BINS) if (bins == b).sum() >= 5]
        x, y = [p[bins == b].mean() for b in full], [right[bins == b].mean() for b in full]
        axes.plot(x, y, "o-", label=f"{path.stem.replace('_', ' ')} (n = {len(rows)})")
    axes.set_xlabel("top probability")
    axes.set_ylabel("share right (bins of at least 5 cells)")
    axes.legend()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
