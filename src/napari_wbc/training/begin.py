"""What a training begins with: a finished model, ImageNet start weights, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ..errors import UsageError
from ..nets import model_path
from ..nets.checkpoint import Checkpoint, read_checkpoint
from ..nets.start import load_start, read_npz, torchvision_weights
from ..results.storage import file_sha256
from .augment import IMAGENET, MINUS_ONE_TO_ONE, Normalisation
from .recipes import Recipe, SegmenterRecipe, What

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
    """

    checkpoint: Checkpoint | None
    tensors: dict[str, Tensor] | None
    normalisation: Normalisation
    described: str
    identity: str


def begin(what: What, recipe: Recipe, from_model: str | None, weights: str | None) -> Start:
    """Read what the training begins with.

    Parameters
    ----------
    from_model
        A bundled model's name or a model file, to be fine-tuned.
    weights
        Start weights: an `.npz` file, a name of torchvision's (`ResNet50_Weights.IMAGENET1K_V2`), or `none`. Inputs are
        normalised as the recipe says, else as for ImageNet; for an `.npz` of MobileNetV2, which comes from TensorFlow,
        to -1..1.

    Raises
    ------
    UsageError
        If both are given, or none.
    CheckpointError
        If they cannot be read.
    """
    if (from_model is None) == (weights is None):
        raise UsageError("Say what to begin with: either a finished model (--from) or start weights (--start), not both.")
    if from_model is not None:
        checkpoint = read_checkpoint(model_path(from_model, what), what)
        card = checkpoint.card
        described = f"{card.name} (SHA-256 {checkpoint.sha256[:12]}), which began with: {card.start_weights or 'not stated'}"
        return Start(checkpoint, None, Normalisation(card.mean, card.std), described, checkpoint.sha256)
    assert weights is not None
    path = Path(weights)
    is_file = path.suffix == ".npz"
    mobilenet = isinstance(recipe, SegmenterRecipe) and recipe.encoder == "mobilenet_v2"
    usual = MINUS_ONE_TO_ONE if is_file and mobilenet else IMAGENET
    normalisation = NAMES[recipe.normalisation] if recipe.normalisation else usual
    if weights == "none":
        return Start(None, None, normalisation, "none: random weights", "none")
    if is_file:
        tensors, identity = read_npz(path), file_sha256(path)
        return Start(None, tensors, normalisation, f"{path.name} (SHA-256 {identity[:12]})", identity)
    return Start(None, torchvision_weights(weights), normalisation, f"torchvision {weights}", weights)


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
