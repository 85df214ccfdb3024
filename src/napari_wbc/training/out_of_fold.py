"""What one fold of a cross-validation says about images that its network has never seen, kept in a file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import CheckpointError
from ..evaluate.compare import Compared
from ..regular import read_file
from ..results.storage import write_bytes


class Named(BaseModel):
    """One cell, named: its place among the cells of the data by name of image, true name and given name, and probabilities.

    `true` is one of the five types or `other`, `named` one of the five or `unidentified`; `p` are the five probabilities.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str
    true: str
    named: str
    p: tuple[float, ...]


class FoldResult(BaseModel):
    """The content of `result.json`: the fold, from 1; its epochs, and the best of them, from 1; the answers on its images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fold: int
    epochs: int
    best_epoch: int
    answers: tuple[Named, ...] | tuple[Compared, ...]


def write_result(folder: Path, result: FoldResult) -> None:
    """Write `result.json`; errors as in `results.storage.writing`."""
    write_bytes(folder, folder / "result.json", f"{result.model_dump_json(indent=1)}\n".encode())


def read_result(folder: Path) -> FoldResult | None:
    """The result of a fold; None if it has none yet.

    Raises
    ------
    CheckpointError
        If it is damaged.
    """
    path = folder / "result.json"
    try:
        return FoldResult.model_validate_json(read_file(path))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path} cannot be read: {reason}. Remove it, and the fold is trained again.") from None
