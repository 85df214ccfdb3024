"""The two networks and their model files. Importing this loads torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import CheckpointError
from ..pipeline import Models
from ..results.storage import file_sha256
from .checkpoint import Card, read_card
from .classifier import TorchClassifier
from .segmenter import TorchSegmenter

WEIGHTS = Path(__file__).parent / "weights"
DEFAULTS = {"segmenter": "mobilenet_v2", "classifier": "alexnet"}


@dataclass(frozen=True)
class BundledModel:
    """One model file of the package: its name, path, size in bytes, SHA-256 and card."""

    name: str
    path: Path
    size: int
    sha256: str
    card: Card


def list_models() -> list[BundledModel]:
    """The models that come with the package."""
    paths = sorted(WEIGHTS.glob("*.safetensors"))
    return [BundledModel(p.stem, p, p.stat().st_size, file_sha256(p), read_card(p)) for p in paths]


def model_path(model: str | Path, task: str) -> Path:
    """The file of a bundled model's name, of `default`, or of a path.

    Raises
    ------
    CheckpointError
        If there is neither a bundled model nor a file of that name.
    """
    bundled = WEIGHTS / f"{DEFAULTS[task] if str(model) == 'default' else model}.safetensors"
    if bundled.parent == WEIGHTS and bundled.is_file():
        return bundled
    if Path(model).is_file():
        return Path(model)
    names = ", ".join(sorted(p.stem for p in WEIGHTS.glob("*.safetensors") if read_card(p).task == task))
    raise CheckpointError(f"There is no {task} {str(model)!r}: neither a file nor one of the bundled models ({names}).")


def load_models(
    segmenter: str | Path = "default", classifier: str | Path = "default", device: str = "auto", threads: int | None = None
) -> Models:
    """Load the two networks.

    Parameters
    ----------
    segmenter, classifier
        `default`, the name of a bundled model, or the path of a model file.
    device
        `auto`, `cpu`, `cuda`, `cuda:1` … or `mps`.
    threads
        Threads that compute on the processor, in all of this process; None: as they are.

    Raises
    ------
    CheckpointError
        If a model file is missing, damaged, or of another kind.
    DeviceError
        If the device is not available.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    return Models(
        TorchSegmenter(model_path(segmenter, "segmenter"), device),
        TorchClassifier(model_path(classifier, "classifier"), device),
    )
