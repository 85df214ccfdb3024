"""What the pipeline needs of the two networks, whatever computes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..cells import Probabilities, RgbImage
from ..domain import Sources


class Network(Protocol):
    """A trained network on a device."""

    @property
    def identity(self) -> str:
        """SHA-256 of the checkpoint + precision + backend: what the numbers depend on."""

    @property
    def name(self) -> str:
        """Name of the model, for people."""

    @property
    def device(self) -> str:
        """The device really used, e.g. `cpu` or `cuda:0`."""

    @property
    def threads(self) -> int:
        """Threads that compute on the processor: the last digits may depend on them."""


class Segmenter(Network, Protocol):
    """Finds the pixels of white blood cells."""

    @property
    def um_per_px(self) -> float:
        """Pixel size at which the network was trained, µm: the analysis scale."""

    @property
    def cell_diameter_um(self) -> float:
        """Median diameter of the cells it was trained on, µm."""

    @property
    def domain(self) -> Sources | None:
        """What the images it was trained on are like, by their source; None if that is not known."""

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        """Images (H, W, 3) uint8 at the analysis scale → (K, H, W) float32 each.

        Channel 0 is the probability of WBC; channel 1, if there, that of the core of a cell.
        """


class Classifier(Network, Protocol):
    """Names the crop of a cell."""

    @property
    def crop_size_px(self) -> int:
        """Side of the crops it takes, px."""

    @property
    def crop_margin(self) -> float | None:
        """Margin of the crops it was trained on; see `crop.crop`."""

    @property
    def none_of_five_threshold(self) -> float:
        """From this `none_of_five_score` on, a cell is `unidentified`."""

    @property
    def least_probability(self) -> float:
        """A cell whose most probable type has less is `unidentified`: the network is unsure."""

    def __call__(self, crops: Sequence[RgbImage]) -> tuple[Probabilities, Probabilities]:
        """Crops (S, S, 3) uint8 → (N, 5) calibrated probabilities that add to 1, and (N,) score of "none of the five", 0..1."""


@dataclass(frozen=True)
class Models:
    """The two networks of the two stages."""

    segmenter: Segmenter
    classifier: Classifier


LoadModels = Callable[[], Models]
