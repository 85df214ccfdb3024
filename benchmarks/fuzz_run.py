"""Feed damaged images with odd names to whole runs: `python benchmarks/fuzz_run.py SCRATCH [--images 10000] [--bundled]`.

Each run has 250 files. It must end without an exception, with a row and a record for every image, and change nothing outside
its results folder. The networks are the stand-ins of the tests, at a pixel size that is told; with `--bundled` they are those
of the program, and the scale is found. The decoding, tables and folder are the real ones.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import shutil
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz_formats import image_seeds
from fuzz_mutate import mutate

from napari_wbc.batch import run
from napari_wbc.config import Settings
from napari_wbc.nets import load_models
from napari_wbc.pipeline import LoadModels
from napari_wbc.results import images_in, tables
from tests.fakes import load_fakes

IMAGES_PER_RUN = 250
SUFFIXES = {"png": ".png", "jpeg": ".jpg", "bmp": ".bmp", "tiff": ".tif"}
NAMES = (
    b"=1+1", b"<img src=x onerror=alert(1)>", b"a\nb", b"a\tb", b"..", b"...", b"-rf", b"%s%n", b"\xff\xfe", b"\xed\xa0\x80",
    b"'", b'"', b"a,b;c", b" ", b"con", b"{{7*7}}", b"$(x)", b"\xe2\x80\xae", b"a" * 200, b"`x`", b"@SUM(1)", b"\\",
)  # fmt: skip


def fill(folder: Path, outside: Path, n: int, rng: random.Random) -> None:
    """Put `n` images, most of them damaged, and links of all sorts into a folder."""
    seeds = image_seeds()
    for i in range(n):
        form = rng.choice(list(seeds))
        data = rng.choice(seeds[form])
        data = data if rng.random() < 0.1 else mutate(form, data, rng)
        stem = rng.choice(NAMES) if rng.random() < 0.3 else b""
        where = os.fsencode(folder) + b"/" + rng.choice((b"", b"s1/", b"s 2/", b"=s/"))
        os.makedirs(where, exist_ok=True)
        path = where + stem + f"{i}{SUFFIXES[rng.choice((form, form, form, 'png'))]}".encode()
        match rng.randrange(40):
            case 0:
                os.symlink(os.fsencode(outside / "target.png"), path)
            case 1:
                os.symlink(b"nowhere", path)
            case 2:
                os.mkfifo(path)
            case 3:
                os.mkdir(path)
                os.symlink(b"..", path + b"/up")
            case _:
                with open(path, "wb") as file:
                    file.write(data)


def snapshot(folder: Path, without: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of all that lies in a folder, but for `without`."""
    found = {}
    for at, folders, files in os.walk(folder):
        if Path(at) == without.parent:
            folders[:] = [name for name in folders if name != without.name]
        for name in (*folders, *files):
            stat = os.lstat(os.path.join(at, name))
            found[os.path.join(at, name)] = (stat.st_size, stat.st_mtime_ns)
    return found


STAND_INS = load_fakes, Settings(um_per_px=0.17, min_area_px=20)
BUNDLED = partial(load_models, device="cpu", threads=1), Settings()


def one_run(scratch: Path, seed: int, counts: Counter[str], load: LoadModels, settings: Settings) -> None:
    """Fill a folder, analyse it, and look at what is there afterwards."""
    shutil.rmtree(scratch, ignore_errors=True)
    inputs, out = scratch / "in", scratch / "out"
    inputs.mkdir(parents=True)
    shutil.copy(Path(__file__), scratch / "target.png")
    fill(inputs, scratch, IMAGES_PER_RUN, random.Random(f"run {seed}"))
    before = snapshot(scratch, out)
    steps = list(run(inputs, out, load, settings, workers=1))
    rows = list(tables.read((out / "images.csv").read_bytes()))
    names = [row["image"] for row in rows]
    assert sorted(step.image for step in steps) == sorted(map(str, names)) == images_in(out), "a row for every image"
    assert all(row["status"] == "done" or row["error"] for row in rows), "a reason for every failure"
    assert snapshot(scratch, out) == before, "nothing outside the results folder"
    counts.update(str(row["status"]) for row in rows)


def main() -> None:
    """Run after run, each with its own seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--bundled", action="store_true", help="the networks of the program instead of stand-ins")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    counts: Counter[str] = Counter()
    seed, start = options.seed, time.process_time()
    while counts.total() < options.images:
        try:
            one_run(options.scratch / "run", seed, counts, *(BUNDLED if options.bundled else STAND_INS))
        except Exception as error:  # noqa: BLE001
            print(f"FINDING seed {seed}: {type(error).__name__}: {error}", flush=True)
            counts["lost"] += IMAGES_PER_RUN
        seed += 1
        print(f"{seed - options.seed} runs, {dict(counts)}, {time.process_time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
