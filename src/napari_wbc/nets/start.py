"""Start weights from ImageNet: torchvision's by name, or `.npz` files."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..regular import opener


def read_npz(path: Path) -> dict[str, Tensor]:
    """Tensors of an `.npz` file; an integer array `k` with a partner `k.bits` stands for k × 2**-bits. Float32.

    Raises
    ------
    CheckpointError
        If the file cannot be read.
    """
    try:
        with open(path, "rb", opener=opener) as file, np.load(file) as arrays:
            names = [name for name in arrays.files if not name.endswith(".bits")]
            bits = {name: float(arrays[f"{name}.bits"]) if f"{name}.bits" in arrays.files else 0.0 for name in names}
            values = {name: np.asarray(arrays[name].astype(np.float32) * 2.0 ** -bits[name]) for name in names}
            return {name: torch.from_numpy(value) for name, value in values.items()}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise CheckpointError(
            f"Cannot read start weights from {path}: {error}. Expected an .npz file of named arrays."
        ) from None


def torchvision_weights(name: str) -> dict[str, Tensor]:
    """Tensors of torchvision's ImageNet weights by name, e.g. `ResNet50_Weights.IMAGENET1K_V2`; fetched once by torchvision.

    Raises
    ------
    CheckpointError
        If torchvision has no weights of that name, or they cannot be fetched.
    """
    from torchvision.models import get_weight

    try:
        return dict(get_weight(name).get_state_dict(progress=False, check_hash=True))
    except (ValueError, KeyError, OSError, RuntimeError) as error:  # of another name; not fetched; fetched, and damaged
        reason = f"there is no {error}" if isinstance(error, KeyError) else error
        raise CheckpointError(f"Cannot get torchvision's weights {name!r}: {reason}.") from None


def load_start(module: nn.Module, tensors: dict[str, Tensor], prefix: str = "") -> None:
    """Copy start weights into a module; the fully connected layers of a classifier are left out.

    Parameters
    ----------
    prefix
        Put before every name of `tensors`, e.g. `features.`.

    Raises
    ------
    CheckpointError
        If a tensor of the module is missing or has another shape; the message names the first of them.
    """
    wanted = module.state_dict()
    given = {prefix + name: value for name, value in tensors.items()}
    for name, value in wanted.items():
        if name.endswith("num_batches_tracked"):
            continue
        if name not in given or given[name].shape != value.shape:
            found = tuple(given[name].shape) if name in given else "nothing"
            raise CheckpointError(f"Start weights do not fit: {name} should be {tuple(value.shape)}, found {found}.")
    module.load_state_dict({name: given.get(name, value) for name, value in wanted.items()})
