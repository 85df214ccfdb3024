"""Mutation check: put small faults into the program, one at a time, and see that the tests of that module notice.

`python benchmarks/mutants.py [MODULE…]` works in a scratch copy of the tree. A fault whose text is not found once is reported:
the program has changed, and `faults.py` is to follow. The libraries are loaded once; each fault has a process of its own.
"""

from __future__ import annotations

import ast
import multiprocessing
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.extra.numpy
import pytest
import scipy.spatial  # noqa: F401
import skimage.filters
import skimage.measure
import skimage.morphology
import skimage.segmentation  # noqa: F401
import tifffile  # noqa: F401
from faults import FAULTS

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/napari_wbc")
SECONDS = 900
"""A fault that makes tests hang is caught after so long."""
FOR_WINDOWS = ("pytestqt.plugin", "pytest_xvfb", "napari.utils._testsupport")
"""Plugins of pytest that the tests of `_napari` need."""


def main(modules: list[str]) -> int:
    """Try the faults of the modules, of all where none is named; 1 if one survives or cannot be put in."""
    caught = wrong = 0
    with TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        for name in ("src", "tests", "benchmarks"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        for module in modules or FAULTS:
            tests, faults = FAULTS[module]
            if not passes(copy, tests):
                sys.exit(f"{tests} fails without any fault. Mend that first.")
            for old, new in faults:
                verdict = judge(copy, module, tests, old, new)
                caught, wrong = caught + (verdict == "caught"), wrong + (verdict != "caught")
                print(f"{verdict:8}  {module:22}  {old.strip()!r} -> {new.strip()!r}", flush=True)
    print(f"{caught} of {caught + wrong} faults caught, {100 * caught / (caught + wrong):.1f} %")
    return 1 if wrong else 0


def judge(copy: Path, module: str, tests: str, old: str, new: str) -> str:
    """Put one fault into the copy, run the tests, and take it out again: `caught`, `SURVIVED`, or `STALE`."""
    path = copy / PACKAGE / module
    sound = path.read_text(encoding="utf-8")
    if sound.count(old) != 1 or not differs(sound, sound.replace(old, new)):
        return "STALE"
    path.write_text(sound.replace(old, new), encoding="utf-8")
    try:
        return "SURVIVED" if passes(copy, tests) else "caught"
    finally:
        path.write_text(sound, encoding="utf-8")


def differs(sound: str, faulty: str) -> bool:
    """Whether Python reads another program: a fault in a comment is none, nor is one that cannot be read."""
    try:
        return ast.dump(ast.parse(faulty)) != ast.dump(ast.parse(sound))
    except SyntaxError:
        return False


def passes(copy: Path, tests: str) -> bool:
    """Whether test files, separated by blanks, pass in the copy."""
    process = multiprocessing.get_context("fork").Process(target=run_tests, args=(copy, tests))
    process.start()
    process.join(SECONDS)
    process.kill()
    process.join()
    return process.exitcode == 0


def run_tests(copy: Path, tests: str) -> None:
    """End this process with the exit code of pytest."""
    os.chdir(copy)
    os.environ |= {
        "PYTHONPATH": str(copy / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",  # a file of the same size and second would not be compiled again
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # they take longer than most tests
        "OMP_NUM_THREADS": "1",
        "CI": "true",  # hypothesis: always the same examples, no deadline
    }
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(copy / "src"), str(copy)]
    hypothesis.settings.load_profile("ci")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    plugins = ["no:cacheprovider", *(FOR_WINDOWS if "_napari/" in tests else ())]
    options = [part for name in plugins for part in ("-p", name)]
    os._exit(pytest.main(["-x", "-q", *options, *(f"tests/{name}" for name in tests.split())]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
