"""What a training begins with: a finished model, ImageNet start weights, or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from ..errors import CheckpointError, UsageError
from ..nets import model_path
from ..nets.checkpoint import Checkpoint, read_checkpoint
from ..nets.encoders import EncoderName
from ..nets.start import load_start, read_npz, torchvision_weights
from ..results.storage import file_sha256
from .augment import IMAGENET, MINUS_ONE_TO_ONE, Normalisation
from .recipes import ClassifierRecipe, Recipe, SegmenterRecipe, What

MARK = "stride_on_1x1"
STRIDES: dict[EncoderName | None, str] = {
    "resnet50": ", strides on the 3×3 convolutions", "resnet50_stride_on_1x1": ", strides on the 1×1 convolutions",
}  # fmt: skip
NAMES = {"imagenet": IMAGENET, "minus_one_to_one": MINUS_ONE_TO_ONE}


@dataclass(frozen=True, eq=False)
class Start:
    """The beginning of a training; at most one of `checkpoint` and `tensors` is there.

    Parameters
    ----------
    described
        What the card will say.
    identity
        SHA-256 of the file, or a name.
    encoder
        Of a segmenter that begins with start weights: the encoder that they need.
    """

    checkpoint: Checkpoint | None
    tensors: dict[str, Tensor] | None
    normalisation: Normalisation
    described: str
    identity: str
    encoder: EncoderName | None = None


def begin(what: What, recipe: Recipe, from_model: str | None, weights: str | None) -> Start:
    """Read what the training begins with.

    Parameters
    ----------
    from_model
        A bundled model's name or a model file, to be fine-tuned.
    weights
        Start weights: an `.npz` file, a name of torchvision's (`ResNet50_Weights.IMAGENET1K_V2`), or `none`. Inputs are
        normalised as the recipe says, else as for ImageNet; for an `.npz` of MobileNetV2, which comes from TensorFlow,
        to -1..1. An `.npz` of a ResNet-50 says by an array `stride_on_1x1`, true or false, where its strides are.

    Raises
    ------
    UsageError
        If both are given, or none, or the recipe's encoder has its strides elsewhere than the start weights need them.
    CheckpointError
        If they cannot be read.
    """
    if (from_model is None) == (weights is None):
        raise UsageError("Say what to begin with: either a finished model (--from) or start weights (--start), not both.")
    if from_model is not None:
        checkpoint = read_checkpoint(model_path(from_model, what), what)
        card = checkpoint.card
        described = f"{card.name} (SHA-256 {checkpoint.sha256[:12]}), which began with: {card.start_weights or 'not stated'}"
        return Start(checkpoint, None, Normalisation(card.mean, card.std, card.stain_aligned), described, checkpoint.sha256)
    assert weights is not None
    path = Path(weights)
    is_file = path.suffix == ".npz"
    mobilenet = isinstance(recipe, SegmenterRecipe) and recipe.encoder == "mobilenet_v2"
    usual = MINUS_ONE_TO_ONE if is_file and mobilenet else IMAGENET
    normalisation = NAMES[recipe.normalisation] if recipe.normalisation else usual
    if isinstance(recipe, ClassifierRecipe):
        normalisation = replace(normalisation, stain_aligned=recipe.stain_aligned)
    if weights == "none":
        encoder = (recipe.encoder or "resnet50") if isinstance(recipe, SegmenterRecipe) else None
        return Start(None, None, normalisation, "none: random weights", "none", encoder)
    if is_file:
        tensors, identity = read_npz(path), file_sha256(path)
        mark = tensors.pop(MARK, None)
        encoder = _encoder(recipe, path.name, None if mark is None else bool(mark))
        described = f"{path.name} (SHA-256 {identity[:12]}){STRIDES.get(encoder, '')}"
        return Start(None, tensors, normalisation, described, identity, encoder)
    if not re.fullmatch(r"\w+_Weights\.\w+", weights):
        raise CheckpointError(
            f"There are no start weights {weights!r}: take an .npz file, a name of torchvision's such as "
            "ResNet50_Weights.IMAGENET1K_V2, or none."
        )
    encoder = _encoder(recipe, weights, on_1x1=False)
    described = f"torchvision {weights}{STRIDES.get(encoder, '')}"
    return Start(None, torchvision_weights(weights), normalisation, described, weights, encoder)


def _encoder(recipe: Recipe, weights: str, on_1x1: bool | None) -> EncoderName | None:
    """The encoder that start weights need; None for a classifier.

    Parameters
    ----------
    weights
        Their name, for the message.
    on_1x1
        Where a ResNet-50 of theirs has its strides: on the 1×1 convolutions, or on the 3×3 ones; None: not known.
    """
    if not isinstance(recipe, SegmenterRecipe):
        return None
    if recipe.encoder == "mobilenet_v2" or (recipe.encoder is not None and on_1x1 is None):
        return recipe.encoder
    if on_1x1 is None:
        raise UsageError(
            f"{weights} does not say where its ResNet-50 has its strides, and with the wrong place it is worth little. Say "
            "--set encoder=resnet50 (on the 3×3 convolutions, as in torchvision) or --set encoder=resnet50_stride_on_1x1 "
            "(on the 1×1 convolutions, as in the original)."
        )
    needed: EncoderName = "resnet50_stride_on_1x1" if on_1x1 else "resnet50"
    if recipe.encoder not in (None, needed):
        raise UsageError(f"The start weights {weights} need the encoder {needed}, and the recipe says {recipe.encoder}.")
    return needed


def load_matching(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """`load_start`, whether or not the names in the file begin with `features.`.

    Raises
    ------
    CheckpointError
        If the weights are of another network.
    """
    wanted = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    with_prefix = {f"features.{name}": value for name, value in tensors.items()}
    without = {name.removeprefix("features."): value for name, value in tensors.items()}
    load_start(module, next((given for given in (tensors, with_prefix, without) if wanted <= set(given)), tensors))
