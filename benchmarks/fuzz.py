"""Feed damaged and hostile files to every parser: `python benchmarks/fuzz.py STATE [--formats png,tiff]`.

A child process parses; its address space is limited, and its parent ends it when one input takes over 10 s. Only success
and the errors of `errors.py` are allowed. Input number i of a format and a seed is always the same, so a finding is made again
by its number (`--again png:123`), and a run that was stopped goes on where it was. `STATE/counts.json` has the inputs tried.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import mmap
import multiprocessing
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz_formats import Target, targets
from fuzz_mutate import mutate

from napari_wbc.errors import WbcError

SECONDS, EXTRA_BYTES = 10, 1_500_000_000
"""Longest time for one input, and address space beyond that of the program at its start."""
CHUNK = 2000
"""Inputs of a format in its turn; then the counts are written."""
SHARES = {
    "png": 160, "jpeg": 160, "bmp": 140, "tiff": 140, "safetensors": 100, "settings": 80, "results-run": 60,
    "results-record": 30, "results-labels": 30,
    "csv": 20, "coco": 20, "geojson": 20, "yolo": 10, "png-masks": 10, "ome-tiff": 10, "slide": 10,
    "imagej-roi": 5, "checkpoint": 2,
}  # fmt: skip
"""Inputs of each format in a thousand: more where reading is quick and files come from anywhere."""


def make_input(name: str, target: Target, seed: int, i: int) -> tuple[bytes, random.Random]:
    """Input number `i` of a format."""
    rng = random.Random(f"{seed} {name} {i}")
    data = rng.choice(target.seeds)
    if target.kind.startswith("named:"):  # which file of an export it is stands before its bytes
        path, _, body = data.partition(b"\0")
        kind = json.loads(target.kind[6:])[path.decode()]
        return path + b"\0" + mutate(kind, body, rng), rng
    return mutate(target.kind, data, rng), rng


def child(name: str, seed: int, start: int, stop: int, shared: mmap.mmap, state: Path) -> None:
    """Parse the inputs from `start` on; `shared` tells which one is in hand, and how many were read and refused."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm") as work:
        target = targets(Path(work))[name]
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + EXTRA_BYTES, resource.RLIM_INFINITY))
        n_read = n_refused = 0
        for i in range(start, stop):
            data, rng = make_input(name, target, seed, i)
            struct.pack_into("4Q", shared, 0, i + 1, n_read, n_refused, 1)
            try:
                target.feed(data, rng)
                n_read += 1
            except WbcError:
                n_refused += 1
            except BaseException as error:  # noqa: BLE001
                note(state, name, i, f"{type(error).__name__}: {error}", traceback.format_exc())
        struct.pack_into("4Q", shared, 0, stop, n_read, n_refused, 0)


def note(state: Path, name: str, i: int, what: str, more: str = "") -> None:
    """Write a finding down."""
    lines = [line.strip() for line in more.splitlines() if "napari_wbc" in line]
    found = {"again": f"{name}:{i}", "what": what[:300], "where": lines[-1] if lines else "", "trace": more[-3000:]}
    with (state / "findings.jsonl").open("a", encoding="utf-8", errors="replace") as file:
        file.write(json.dumps(found) + "\n")
    print(f"FINDING {name}:{i} {what[:150]} {found['where']}", flush=True)


def chunk(name: str, seed: int, start: int, stop: int, state: Path) -> tuple[int, int]:
    """Have a child parse a range of inputs, another one where it died or hung; the numbers read and refused."""
    n_read = n_refused = 0
    while start < stop:
        shared = mmap.mmap(-1, 32)
        process = multiprocessing.get_context("fork").Process(target=child, args=(name, seed, start, stop, shared, state))
        process.start()
        last, since, hung = -1, time.monotonic(), False
        while process.is_alive():
            process.join(0.2)
            at, busy = struct.unpack_from("Q", shared)[0], struct.unpack_from("4Q", shared)[3]
            if at != last or not busy:
                last, since = at, time.monotonic()
            elif time.monotonic() - since > SECONDS:
                hung = True
                process.kill()
                process.join()
        at, read, refused, busy = struct.unpack_from("4Q", shared)
        n_read, n_refused = n_read + read, n_refused + refused
        if not busy and process.exitcode == 0:
            break
        if not at:
            sys.exit(f"{name}: the child died before its first input.")
        note(state, name, at - 1, f"no answer in {SECONDS} s" if hung else f"the process ended with {process.exitcode}")
        start = at
    return n_read, n_refused


def main() -> None:
    """Read the options and go round the formats, a chunk of each in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", type=Path)
    parser.add_argument("--formats", default="")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all formats, in the shares above")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", default="", help="FORMAT:NUMBER of a finding: feeds this one input, here")
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    if options.again:
        name, _, number = options.again.partition(":")
        with tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm") as work:
            target = targets(Path(work))[name]
            data, rng = make_input(name, target, options.seed, int(number))
            (options.state / f"{name}-{number}").write_bytes(data)
            print(target.feed(data, rng))
        return
    names = options.formats.split(",") if options.formats else list(SHARES)
    path = options.state / "counts.json"
    counts = json.loads(path.read_text()) if path.exists() else {}
    wanted = {name: math.ceil(options.inputs * SHARES[name] / sum(SHARES[name] for name in names)) for name in names}
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm") as work:
        targets(Path(work))  # imports what each child needs, once
    while left := [name for name in names if counts.get(name, {}).get("inputs", 0) < wanted[name]]:
        for name in left:
            now = counts.setdefault(name, {"inputs": 0, "read": 0, "refused": 0, "seconds": 0.0})
            stop, began = min(now["inputs"] + CHUNK, wanted[name]), time.monotonic()
            read, refused = chunk(name, options.seed, now["inputs"], stop, options.state)
            now |= {"inputs": stop, "read": now["read"] + read, "refused": now["refused"] + refused}
            now["seconds"] = round(now["seconds"] + time.monotonic() - began, 1)
            path.write_text(json.dumps(counts, indent=1))
    total = sum(one["inputs"] for one in counts.values())
    print(f"{total} inputs; {sum(one['read'] for one in counts.values())} read, the others refused or findings.")


if __name__ == "__main__":
    main()
