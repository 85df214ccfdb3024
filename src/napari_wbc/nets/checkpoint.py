"""Model files: safetensors whose header carries a card that says what the tensors mean."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..domain import Sources
from ..errors import CheckpointError
from ..regular import opener
from ..results.storage import file_sha256
from .alexnet import CROP_SIZE_PX, AlexNet
from .deeplab import DeepLabV3Plus
from .encoders import EncoderName

KEY, SHA256_KEY = "napari_wbc", "napari_wbc_sha256"
"""Entries of the safetensors header: the card as JSON, and the SHA-256 of card and tensors, which files of 0.1.0 may lack."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeepLab(_Frozen):
    """DeepLabv3+ on one of `encoders.ENCODERS`."""

    network: Literal["deeplabv3plus"] = "deeplabv3plus"
    encoder: EncoderName

    def build(self, outputs: int) -> nn.Module:
        """The network with fresh weights."""
        return DeepLabV3Plus(self.encoder, outputs)


class Alex(_Frozen):
    """AlexNet; see `alexnet.AlexNet`."""

    network: Literal["alexnet"] = "alexnet"
    form: Literal["original", "torchvision"] = "original"
    width: int = Field(4096, ge=1, le=8192)
    feature_scale: float = 1.0

    def build(self, outputs: int) -> nn.Module:
        """The network with fresh weights."""
        return AlexNet(self.form, self.width, outputs, self.feature_scale)


class Card(_Frozen):
    """What a model file says of itself.

    `outputs` names the channels: `wbc`, `core` for a segmenter; the five cell types, and perhaps `other`, for a classifier.
    Inputs in 0..1 are normalised by `mean` and `std`. A segmenter states its analysis scale (`um_per_px`), the median
    diameter of its training cells, and perhaps what its training images are like (`domain`, by their source); a classifier
    the margin of its crops, whether their stain is aligned (`stain.align_stain`), the temperature that calibrates its
    probabilities, and from when on a cell is `unidentified`: the threshold of `none_of_five_score`, and the least probability
    of the most probable type.
    """

    format: Literal[1] = 1
    name: str
    task: Literal["segmenter", "classifier"]
    architecture: Annotated[DeepLab | Alex, Field(discriminator="network")]
    outputs: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    um_per_px: float | None = Field(None, gt=0)
    cell_diameter_um: float | None = Field(None, gt=0)
    domain: Sources | None = None
    crop_size_px: int = Field(CROP_SIZE_PX, ge=1)
    crop_margin: float | None = 0.15
    stain_aligned: bool = False
    temperature: float = Field(1.0, gt=0)
    none_of_five_threshold: float = 1.0
    least_probability: float = Field(0.0, ge=0, le=1)
    data: tuple[str, ...] = ()
    split: str = ""
    recipe: str = ""
    start_weights: str = ""
    licences: tuple[str, ...] = ()
    metrics: dict[str, str] = {}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model file that was read: its card, the network with its weights in evaluation mode, SHA-256, path."""

    card: Card
    network: nn.Module
    sha256: str
    path: Path


def save_checkpoint(path: Path, network: nn.Module, card: Card) -> None:
    """Write a model file; floating tensors are stored as float16."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    text = card.model_dump_json()
    save_file(tensors, path, metadata={KEY: text, SHA256_KEY: content_sha256(text, tensors)})


def content_sha256(card: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the text of a card and of the names, types, shapes and values of tensors."""
    digest = hashlib.sha256(card.encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_card(path: Path) -> Card:
    """The card of a model file, without its tensors.

    Raises
    ------
    CheckpointError
        If the file is missing, cannot be read, is not safetensors, is damaged, or has no valid card.
    """
    if path.suffix.lower() in {".pt", ".pth", ".ckpt", ".pkl"}:
        raise CheckpointError(
            f"{path} is a pickle, which can run any code when it is opened; only safetensors are read. "
            "Load it where you trust it and write it with napari_wbc.nets.checkpoint.save_checkpoint."
        )
    try:
        open(path, "rb", opener=opener).close()  # safetensors call a file missing that may not be read
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except FileNotFoundError:
        raise CheckpointError(f"No model file at {path}. `napari-wbc models` lists the bundled models.") from None
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path} cannot be read: {reason}. See to its permission, or to the drive.") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a sound safetensors file: {error}. Copy or download it again.") from None
    if KEY not in header:
        raise CheckpointError(f"{path} is a safetensors file without a napari-wbc card; found header keys {sorted(header)}.")
    try:
        return Card.model_validate(json.loads(header[KEY]))
    except (ValidationError, ValueError, RecursionError) as error:
        raise CheckpointError(f"The card of {path} is not valid: {error}") from None


def read_checkpoint(path: Path, task: Literal["segmenter", "classifier"]) -> Checkpoint:
    """Read a model file and build its network.

    Raises
    ------
    CheckpointError
        As `read_card`; also if the model is for another task, its tensors do not fit the network that its card names, or card
        and tensors are not those of which the file has the SHA-256.
    """
    card = read_card(path)
    if card.task != task:
        raise CheckpointError(f"{path} is a {card.task} ({card.name}); a {task} is expected here.")
    with torch.device("meta"):
        network = card.architecture.build(len(card.outputs))
    wanted = {k: tuple(v.shape) for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    with safe_open(path, framework="pt") as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
        if found != wanted:
            odd = sorted(k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k))
            first = odd[0]
            raise CheckpointError(
                f"{path} does not hold the network that its card names "
                f"({card.architecture.network}, {len(card.outputs)} outputs): "
                f"{len(odd)} tensors differ, first {first}: expected {wanted.get(first)}, found {found.get(first)}."
            )
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in found}
    if header.get(SHA256_KEY, "") not in ("", content_sha256(header[KEY], tensors)):
        raise CheckpointError(f"{path} is not as it was written: card and tensors do not have its SHA-256. Copy it again.")
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=value.dtype)
    network.load_state_dict(state, assign=True)
    return Checkpoint(card, network.eval().requires_grad_(False), file_sha256(path), path)
