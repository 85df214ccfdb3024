"""The shape of the package: who may import whom, and what may stand where. Read over the syntax tree; nothing is run but `import`."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "napari_wbc"

WORDS = ("errors", "regular", "config", "cells", "proportion")
STAGES = (
    *("images", "scale", "domain", "cleanup", "separate", "crop", "nucleus", "measure", "tiling"),
    *("metrics", "differential"),
)
FILES = ("pyramids", "results", "exchange", "datasets", "synthetic")
ROAD = ("pipeline", "review", "evaluate", "slides", "batch")
TORCH = ("nets", "training")
FRONT_ENDS = ("_cli", "cli", "_napari")
LISTING = (*WORDS, *STAGES, *FILES, *ROAD, *TORCH, *FRONT_ENDS)
"""The rows of the listing, top to bottom: a module imports only from rows above its own. A package is one row."""

GRAPHICS = {"napari", "magicgui", "qtpy", "superqt", "vispy", "npe2", "PyQt5", "PyQt6", "PySide2", "PySide6"}

Module = tuple[str, ast.Module]
"""Path inside the package, and its syntax tree."""


def modules() -> list[Module]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def row_of(path: str) -> str:
    """`nets/deeplab.py` is in the row `nets`, `crop.py` in the row `crop`."""
    return Path(path).parts[0].removesuffix(".py")


def imported_rows(path: str, tree: ast.Module) -> Iterator[str]:
    """The rows of this package that a module imports, wherever in it the import stands."""
    here = ["napari_wbc", *Path(path).parent.parts]
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) + 1 - node.level]) if node.level else ""
            base = ".".join(filter(None, (base, node.module)))
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "napari_wbc" else [base]
        for name in names:
            root, _, rest = name.partition(".")
            if root == "napari_wbc" and (row := rest.partition(".")[0]) in LISTING:
                yield row


def foreign_imports(tree: ast.Module) -> set[str]:
    """The top names of other packages that a module imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found


def unlisted(listed: list[Module]) -> list[str]:
    exempt = {"__init__", "__main__"}
    return [f"{path} has no row in the listing" for path, _ in listed if row_of(path) not in {*LISTING, *exempt}]


def upward(listed: list[Module]) -> list[str]:
    return [
        f"{path} imports {row}, which stands below it in the listing"
        for path, tree in listed
        if row_of(path) in LISTING
        for row in imported_rows(path, tree)
        if LISTING.index(row) > LISTING.index(row_of(path))
    ]


def between_stages(listed: list[Module]) -> set[tuple[str, str]]:
    return {
        (row_of(path), row)
        for path, tree in listed
        if row_of(path) in STAGES
        for row in imported_rows(path, tree)
        if row in STAGES and row != row_of(path)
    }


def misplaced(listed: list[Module], names: set[str], rows: tuple[str, ...]) -> list[str]:
    return [
        f"{path} imports {name}, which belongs into {' and '.join(rows)} alone"
        for path, tree in listed
        if row_of(path) not in rows
        for name in sorted(foreign_imports(tree) & names)
    ]


def prints(listed: list[Module]) -> list[str]:
    return [
        f"{path}:{node.lineno} prints"
        for path, tree in listed
        if path != "cli.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def swallowers(listed: list[Module]) -> list[str]:
    """Handlers of everything: `except:`, `except Exception`, also in a tuple or as `builtins.Exception`."""
    found = []
    for path, tree in listed:
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                names = {ast.unparse(c).rpartition(".")[2] if c is not None else "" for c in caught}
                if names & {"", "Exception", "BaseException"}:
                    found.append(path)
    return found


def test_every_module_has_a_row_in_the_listing() -> None:
    assert unlisted(modules()) == []


def test_a_module_imports_only_from_rows_above_it() -> None:
    assert upward(modules()) == []


def test_stages_do_not_import_each_other() -> None:
    assert between_stages(modules()) == set()


def test_torch_lives_in_nets_and_training_and_nowhere_else() -> None:
    assert misplaced(modules(), {"torch", "torchvision", "safetensors"}, TORCH) == []


def test_napari_and_qt_live_in_one_folder() -> None:
    assert misplaced(modules(), GRAPHICS, ("_napari",)) == []


def test_nothing_prints_outside_the_command_line() -> None:
    assert prints(modules()) == []


def test_no_exception_is_swallowed_outside_the_one_place_in_batch() -> None:
    assert swallowers(modules()) == ["batch/attempt.py"]


# -- these rules can fail ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("crop.py", "from .batch import run"),
        ("crop.py", "from . import errors, batch"),
        ("crop.py", "import napari_wbc.batch"),
        ("crop.py", "from napari_wbc import batch as b"),
        ("crop.py", "def f():\n    from napari_wbc.batch import run"),
        ("metrics/pixels.py", "from ..batch import run"),
        ("exchange/report.py", "from .. import batch"),
        ("batch.py", "from .nets.deeplab import DeepLab"),
    ],
)
def test_an_import_from_below_is_seen(path: str, source: str) -> None:
    assert len(upward([(path, ast.parse(source))])) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("batch.py", "from .crop import crop\nfrom . import __version__"),
        ("nets/deeplab.py", "from .encoders import resnet\nfrom ..batch import run\nfrom . import alexnet"),
        ("crop.py", "import numpy.batch\nfrom batch import run"),
    ],
)
def test_an_import_from_above_or_beside_is_allowed(path: str, source: str) -> None:
    assert upward([(path, ast.parse(source))]) == []


def test_the_other_rules_see_what_they_forbid() -> None:
    assert between_stages([("crop.py", ast.parse("from .measure import measure"))]) == {("crop", "measure")}
    assert unlisted([("helpers.py", ast.parse(""))]) == ["helpers.py has no row in the listing"]
    assert len(misplaced([("batch.py", ast.parse("def f():\n    import torch.nn"))], {"torch"}, TORCH)) == 1
    assert len(misplaced([("cli.py", ast.parse("from qtpy.QtCore import Qt"))], GRAPHICS, ("_napari",))) == 1
    assert misplaced([("nets/a.py", ast.parse("import torch"))], {"torch"}, TORCH) == []
    assert len(prints([("batch.py", ast.parse("print(1)"))])) == 1
    for handler in ("except:", "except Exception:", "except (OSError, BaseException):", "except builtins.Exception as e:"):
        assert swallowers([("crop.py", ast.parse(f"try: pass\n{handler} pass"))]) == ["crop.py"]
    assert swallowers([("crop.py", ast.parse("try: pass\nexcept (OSError, ValueError): pass"))]) == []


# -- what an import loads ----------------------------------------------------------------------------------------------

HEAVY = {"torch", "torchvision", "pandas", "skimage", "scipy", *GRAPHICS}


def loaded_by(statement: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*(set(m.partition('.')[0] for m in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split()) & HEAVY


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import napari_wbc") == set()


@pytest.mark.parametrize("name", ["pipeline", "batch", "evaluate", "cli"])
def test_the_pipeline_the_batch_and_the_command_line_need_neither_torch_nor_napari(name: str) -> None:
    assert loaded_by(f"import napari_wbc.{name}") & {"torch", "torchvision", *GRAPHICS} == set()


def test_the_public_names_are_few() -> None:
    import napari_wbc

    assert len(napari_wbc.__all__) <= 15
    assert dir(napari_wbc) == sorted(napari_wbc.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = napari_wbc.nonsense


def test_every_public_name_is_defined_where_it_is_said_to_be() -> None:
    import napari_wbc

    for name, home in napari_wbc._HOME.items():
        path = PACKAGE / f"{home}.py"
        path = path if path.exists() else PACKAGE / home / "__init__.py"
        assert f" {name}" in path.read_text(encoding="utf-8") or f"\n{name}" in path.read_text(encoding="utf-8"), (
            f"{name} is not in {path}"
        )
