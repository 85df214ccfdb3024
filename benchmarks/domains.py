"""What the training images are like, put on the card of a segmenter, and how often images are then called unlike them.

    python benchmarks/domains.py write MODEL.safetensors NEW.safetensors
    python benchmarks/domains.py judge NEW.safetensors [--most 100]

`write` changes no tensor. `judge` prints how many images are flagged: of dev data, of sets left out, drawn, and distorted.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import devdata
import numpy as np
from safetensors.torch import load_file, save_file
from scipy import ndimage
from skimage import data
from skimage.color import hsv2rgb, rgb2hsv

from napari_wbc.cells import RgbImage
from napari_wbc.config import Settings
from napari_wbc.domain import Numbers, Sources, find_ranges, judge, measure_domain
from napari_wbc.nets.checkpoint import KEY, read_card
from napari_wbc.nets.segmenter import TorchSegmenter
from napari_wbc.pipeline import segment_cells
from napari_wbc.proportion import Proportion
from napari_wbc.synthetic import draw_field
from napari_wbc.training.data import make_sample

PBC_STEP = 5
"""Every fifth image of pbc is enough for ranges."""
Image = tuple[RgbImage, float | None]
"""Pixels, and the pixel size that the user gives, µm."""


def numbers_of(image: Image, segmenter: TorchSegmenter) -> Numbers:
    """The numbers of an image with the cells that are found in it."""
    pixels, um_per_px = image
    found = segment_cells(pixels, segmenter, Settings(um_per_px=um_per_px))
    sample = make_sample(pixels, found.labels, found.scale.analysis_scale, "")
    return measure_domain(sample.image, sample.labels, segmenter.um_per_px)


def training_images() -> dict[str, Iterable[Image]]:
    """The images whose ranges are taken, by source."""
    return {
        "bccd": ((real.pixels, None) for real in devdata.bccd("train")),
        "pbc": ((real.pixels, None) for real in islice(devdata.pbc("train"), 0, None, PBC_STEP)),
        "chula": ((real.pixels, None) for real in devdata.chula()),
    }


def write(model: Path, new: Path) -> None:
    """Write a copy of a model file with the ranges on its card."""
    segmenter = TorchSegmenter(model, "cpu")
    known = {name: find_ranges([numbers_of(i, segmenter) for i in images]) for name, images in training_images().items()}
    card = read_card(model).model_copy(update={"domain": known})
    save_file(load_file(model), new, metadata={KEY: card.model_dump_json()})
    for name, ranges in known.items():
        print(name, ranges)


def turn_hue(image: RgbImage, degrees: float) -> RgbImage:
    """The image with its hue turned."""
    hsv = rgb2hsv(image)
    hsv[..., 0] = (hsv[..., 0] + degrees / 360) % 1
    return np.asarray(np.rint(255 * hsv2rgb(hsv)), dtype=np.uint8)


def distortions(segmenter: TorchSegmenter) -> dict[str, Callable[[RgbImage, str], Image]]:
    """What is done to an image of a set, by its name in words."""
    um = devdata.UM_PER_PX

    def blur(image: RgbImage, source: str, sigma_px: float) -> Image:
        sigma = sigma_px * segmenter.um_per_px / um[source]
        return ndimage.gaussian_filter(image, (sigma, sigma, 0)), None

    return {
        "blur, sigma 2 px at the analysis scale": lambda i, s: blur(i, s, 2),
        "blur, sigma 3 px": lambda i, s: blur(i, s, 3),
        "hue turned by +40 degrees": lambda i, s: (turn_hue(i, 40), None),
        "hue turned by -40 degrees": lambda i, s: (turn_hue(i, -40), None),
        "brightness x 1.6, clipped": lambda i, s: (np.clip(i * 1.6, 0, 255).astype(np.uint8), None),
        "pixel size given, 3 times too large": lambda i, s: (i, 3 * um[s]),
        "pixel size given, 3 times too small": lambda i, s: (i, um[s] / 3),
        "pixel size given, right": lambda i, s: (i, um[s]),
    }


def report(what: str, images: Iterable[Image], segmenter: TorchSegmenter, known: Sources) -> None:
    """How many are flagged, how many have cells, and the commonest reasons."""
    numbers = [numbers_of(image, segmenter) for image in images]
    found = [judge(each, known) for each in numbers]
    share = Proportion(k=sum(not domain.ok for domain in found), n=len(found))
    cells = sum(each.nucleus_density is not None for each in numbers)
    reasons = Counter(text.split(" (")[0] for domain in found for text in domain.reason.split("; ") if text)
    print(f"{what}: {share} flagged, {cells} with cells; {dict(reasons.most_common(3))}", flush=True)


def judge_all(model: Path, most: int) -> None:
    """Print every rate."""
    segmenter = TorchSegmenter(model, "cpu")
    known = segmenter.domain
    assert known is not None, "the card has no ranges; use `write` first"
    bccd = [real.pixels for real in devdata.bccd("dev")]
    pbc = [real.pixels for real in devdata.pbc("dev")]
    step = max(1, len(pbc) // most)
    chula = [(real.pixels, None) for real in devdata.chula()]
    report("bccd dev", ((i, None) for i in bccd), segmenter, known)
    report("pbc dev", ((i, None) for i in pbc[::step]), segmenter, known)
    report("chula", chula[:: max(1, len(chula) // most)], segmenter, known)
    report("drawn", ((draw_field(np.random.default_rng(i)).image, None) for i in range(30)), segmenter, known)
    left_out = {name: ranges for name, ranges in known.items() if name != "chula"}
    report("chula, left out", chula[:: max(1, len(chula) // most)], segmenter, left_out)
    photographs = [np.ascontiguousarray(getattr(data, name)()[..., :3]) for name in ("astronaut", "chelsea", "coffee")]
    report("photographs", ((i, None) for i in photographs), segmenter, known)
    empty = np.full((480, 640, 3), 230, np.uint8)
    report("empty glass, as bright as that of pbc", [(empty, None)], segmenter, known)
    for what, change in distortions(segmenter).items():
        for source, images in (("bccd", bccd[:: max(1, 2 * len(bccd) // most)]), ("pbc", pbc[:: 2 * step])):
            report(f"{source} dev, {what}", (change(i, source) for i in images), segmenter, known)


def main() -> None:
    """Write or judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["write", "judge"])
    parser.add_argument("model", type=Path)
    parser.add_argument("new", type=Path, nargs="?")
    parser.add_argument("--most", type=int, default=100, help="images judged of a set")
    args = parser.parse_args()
    if args.what == "write":
        write(args.model, args.new)
    else:
        judge_all(args.model, args.most)


if __name__ == "__main__":
    main()
