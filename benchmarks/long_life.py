"""Whether long use costs more and more: memory, threads, open files and temporary files, through a long run and a long session.

    python benchmarks/long_life.py run SCRATCH [--times 5000] [--workers 2]
    xvfb-run -s "-screen 0 1400x900x24" python benchmarks/long_life.py window SCRATCH [--times 500]

`run` analyses so many drawn images with the models that come with the program, into a new results folder. `window` opens
images in one napari session, analyses each several times, begins a review, names a cell, looks at the crops, saves, and closes
all again. Both look at themselves and at the processes that they started, and print a line for each tenth. The end is to be as
the second tenth was; 1 if it is not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
from PIL import Image as Pillow

from napari_wbc.batch import run
from napari_wbc.batch.discover import discover
from napari_wbc.nets import load_models
from napari_wbc.results import images_in
from napari_wbc.synthetic import draw_field

SHAPE, N_CELLS, N_DRAWN = (360, 480), 2, 100
"""Of the drawn fields; so many are drawn, and each is used again and again."""
ANALYSES_PER_IMAGE = 5
GROWTH, MORE_MB, MORE = 0.05, 10, 2
"""What the end may have more than the second tenth: this share of the memory and so many MB, so many threads, files…"""


@dataclass(frozen=True)
class Sample:
    """What this process and those that it started use."""

    memory_mb: float
    threads: float
    files: float
    temporary: float

    @classmethod
    def take(cls, temporary: Path) -> Sample:
        """As it is now; `temporary` is where temporary files are made."""
        memory, threads, files = 0.0, 0, 0
        this = psutil.Process()
        for process in (this, *this.children(recursive=True)):
            try:
                memory += process.memory_info().rss / 1e6
                threads, files = threads + process.num_threads(), files + process.num_fds()
            except psutil.NoSuchProcess:
                continue
        return cls(memory, threads, files, sum(1 for _ in temporary.rglob("*")))

    @classmethod
    def typical(cls, samples: list[Sample]) -> Sample:
        """The median of memory and threads, and the least of the files, which come and go with the images in hand."""
        memory, threads, files, temporary = zip(*map(astuple, samples), strict=True)
        return cls(median(memory), median(threads), min(files), min(temporary))

    def grown(self, since: Sample) -> list[str]:
        """The names of what is more than it was."""
        limits = (since.memory_mb * (1 + GROWTH) + MORE_MB, since.threads + MORE, since.files + MORE, since.temporary + MORE)
        return [field.name for field, now, most in zip(fields(self), astuple(self), limits, strict=True) if now > most]


def watch(done: Iterator[int], times: int, temporary: Path) -> int:
    """Take samples while something is done `times` times, print the tenths, and say what grew."""
    tenths: list[list[Sample]] = [[] for _ in range(10)]
    start = time.monotonic()
    step = max(times // 200, 1)
    print(f"{'done':>8}{'memory MB':>12}{'threads':>9}{'files':>8}{'temporary':>11}{'minutes':>9}")
    for n in done:
        tenth = min((n - 1) * 10 // times, 9)
        if n % step == 0:
            tenths[tenth].append(Sample.take(temporary))
        if tenths[tenth] and n == (tenth + 1) * times // 10:
            memory, threads, files, others = astuple(Sample.typical(tenths[tenth]))
            print(
                f"{n:8}{memory:12.1f}{threads:9.0f}{files:8.0f}{others:11.0f}{(time.monotonic() - start) / 60:9.1f}", flush=True
            )
    second, last = Sample.typical(tenths[1]), Sample.typical(tenths[9])
    per_thousand = (last.memory_mb - second.memory_mb) / (0.8 * times) * 1000
    grown = last.grown(second)
    print(f"{per_thousand:+.1f} MB per thousand; {'GROWN: ' + ', '.join(grown) if grown else 'flat'}")
    return 1 if grown else 0


def drawn(folder: Path, times: int) -> None:
    """Write so many images."""
    files = []
    for seed in range(min(N_DRAWN, times)):
        field = draw_field(np.random.default_rng(seed), shape=SHAPE, n_cells=N_CELLS)
        path = folder / "slide-0" / f"field-{seed:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(field.image).save(path, dpi=(25400 / field.um_per_px,) * 2)
        files.append(path)
    for i in range(len(files), times):
        path = folder / f"slide-{i // 100}" / f"field-{i:05}.png"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(files[i % len(files)], path)


def long_run(scratch: Path, times: int, workers: int, temporary: Path) -> int:
    """One run over many images."""
    images, out = scratch / "images", scratch / "results"
    drawn(images, times)
    steps = run(images, out, partial(load_models, device="cpu", threads=1), workers=workers)
    code = watch((step.done for step in steps), times, temporary)
    assert len(images_in(out)) == len(discover(images, out).images) == times
    left = [path for path in out.rglob("*") if path.name.startswith(".tmp")]
    print(f"{times} images, {workers} workers; temporary files in the results folder: {len(left)}")
    return code or bool(left)


def look(seconds: float = 0.5) -> None:
    """Let the window work for a while, as when a person looks at it."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def wait(until: Callable[[], bool], seconds: float = 120) -> None:
    """Let the window work until something is so; a loop of its own, because `processEvents` alone deletes no closed widgets."""
    from qtpy.QtCore import QEventLoop, QTimer

    end, loop, timer = time.monotonic() + seconds, QEventLoop(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() or time.monotonic() > end else None)
    timer.start(10)
    loop.exec()
    timer.stop()
    assert until(), "the window does not come to an end"


def session(scratch: Path, times: int) -> Iterator[int]:
    """A napari session: the number of analyses so far, after each."""
    import napari

    images, out = scratch / "images", scratch / "results"
    drawn(images, min(N_DRAWN, times // ANALYSES_PER_IMAGE))
    paths = sorted(images.rglob("*.png"))
    viewer = napari.Viewer(show=True)
    names = ("Analyse image", "Review cells", "Differential", "Gallery of cells")
    analyse, review, *_ = (viewer.window.add_plugin_dock_widget("napari-wbc", name)[1] for name in names)
    for n in range(times):
        if n % ANALYSES_PER_IMAGE == 0:
            (image,) = viewer.open(paths[n // ANALYSES_PER_IMAGE % len(paths)], plugin="napari-wbc")
        analyse.image.value = image
        analyse.job.run_button.click()
        wait(lambda: not analyse.job.running)
        if n % ANALYSES_PER_IMAGE == ANALYSES_PER_IMAGE - 1:
            reviewed(review, viewer.layers[f"{image.name} cells"], out)
            look()  # napari 0.9 on Mesa's software OpenGL crashes where layers are drawn right after all others went
            viewer.layers.clear()
            look()
        yield n + 1
    viewer.close()


def reviewed(review: Any, cells: Any, out: Path) -> None:
    """Begin a review, name a cell, save."""
    review.labels.value = cells
    review.job.run_button.click()
    found = review.session
    assert len(found.analysis.cells), review.job.status.text()
    keys = {str(key): action for key, action in found.labels.keymap.items()}
    for key in ("Shift+F", "Shift+N"):  # the next cell: a neutrophil
        keys[key](found.labels)
    review.act(lambda of: review.filing._save(of, out))
    assert not found.unsaved, review.job.status.text()
    wait(lambda: not review.filing.tables._running or all(one.done() for one in review.filing.tables._running))
    review.leave()


def main() -> int:
    """Read the options; all that is written lies in the scratch folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "window"))
    parser.add_argument("scratch", type=Path, help="a new or empty folder")
    parser.add_argument("--times", type=int, help="images, or analyses")
    parser.add_argument("--workers", type=int, default=2, help="processes of the run; 0: this one")
    options = parser.parse_args()
    if options.scratch.exists() and any(options.scratch.iterdir()):
        parser.error(f"{options.scratch} is not empty")
    temporary = options.scratch / "temporary"
    temporary.mkdir(parents=True)
    os.environ |= {"TMPDIR": str(temporary), "XDG_STATE_HOME": str(temporary)}
    tempfile.tempdir = None
    if options.what == "run":
        return long_run(options.scratch, options.times or 5000, options.workers, temporary)
    return watch(session(options.scratch, options.times or 500), options.times or 500, temporary)


if __name__ == "__main__":
    sys.exit(main())
