"""Open a whole-slide image, to be read box by box at any level of its pyramid; refuse what is none, with a reason.

Tiled TIFF (OME-TIFF, BigTIFF, SVS, NDPI) goes to tifffile, OME-Zarr to zarr, other scanners' formats to OpenSlide.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .cells import Box, RgbImage
from .errors import UnreadableImageError, UnsupportedImageError
from .images import (
    DAMAGE,
    UM,
    explained,
    is_ndpi,
    pixel_size,
    sound_series,
    tiff_directories,
    tiff_pixel_size,
    tiff_to_rgb,
    unheard,
)
from .regular import opener

TIFF_SUFFIXES: tuple[str, ...] = (".tif", ".tiff", ".btf", ".svs", ".ndpi")
OPENSLIDE_SUFFIXES: tuple[str, ...] = (".bif", ".mrxs", ".scn", ".svslide", ".vms", ".vmu")
SLIDE_SUFFIXES: tuple[str, ...] = (".btf", ".ndpi", ".svs", ".zarr", *OPENSLIDE_SUFFIXES)
"""Suffixes of what is always a slide, lower case; `.tif` and `.tiff` may be one."""


@dataclass(frozen=True, eq=False)
class Pyramid:
    """An open whole-slide image.

    Parameters
    ----------
    shapes
        (H, W) of its levels, finest first; there is at least one.
    um_per_px
        Pixel size of the finest level that the file states, µm, or None.
    pixels
        (level, box within that level) → (h, w, 3) uint8; `read` is for callers.
    """

    name: str
    shapes: tuple[tuple[int, int], ...]
    um_per_px: float | None
    pixels: Callable[[int, Box], RgbImage]

    def read(self, box: Box, level: int = 0) -> RgbImage:
        """The pixels of a box of a level, (h, w, 3) uint8.

        Raises
        ------
        ImageError
            If they cannot be read.
        """
        with explained(self.name):
            return self.pixels(level, box)

    def view(self, box: Box, level: int) -> RgbImage:
        """What a level shows of a box of the finest one, (h, w, 3) uint8, at least one pixel; errors as of `read`."""
        (height, width), (h, w) = self.shapes[0], self.shapes[level]
        y0, x0, y1, x1 = scaled(box, (h / height, w / width))
        y0, x0 = min(y0, h - 1), min(x0, w - 1)
        return self.read(Box(y0, x0, min(h, max(y1, y0 + 1)), min(w, max(x1, x0 + 1))), level)

    def level_for(self, factor: float) -> int:
        """The coarsest level that still has at least `factor` times the pixels of the finest one, per side."""
        height = self.shapes[0][0]
        return max(i for i, shape in enumerate(self.shapes) if i == 0 or shape[0] >= 0.999 * factor * height)


def scaled(box: Box, factors: tuple[float, float]) -> Box:
    """A box with its rows and columns multiplied; boxes that met still meet."""
    fy, fx = factors
    return Box(round(box.y0 * fy), round(box.x0 * fx), round(box.y1 * fy), round(box.x1 * fx))


def is_folder_image(path: Path) -> bool:
    """Whether a folder is one image: OME-Zarr."""
    return path.suffix.lower() == ".zarr" and path.is_dir()


def is_slide(path: Path, max_megapixels: float) -> bool:
    """Whether a file is a whole-slide image: by its suffix, or a tiled TIFF of more pixels than a flat image may have."""
    if path.suffix.lower() in SLIDE_SUFFIXES:
        return True
    if path.suffix.lower() not in TIFF_SUFFIXES or not path.is_file():
        return False
    import tifffile

    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            ndpi = is_ndpi(data)
        with unheard(), tifffile.TiffFile(path, is_ndpi=ndpi) as tiff:
            page = tiff.pages.first
            return bool(page.is_tiled and page.imagewidth * page.imagelength > max_megapixels * 1e6)
    except DAMAGE:
        return False  # whoever reads it as an image says what is wrong


@contextmanager
def open_pyramid(path: str | Path, name: str | None = None) -> Iterator[Pyramid]:
    """Open a whole-slide image; `name` is what messages call it.

    Raises
    ------
    ImageError
        If it is damaged, truncated, or not one picture of 8 bits; or if its format needs OpenSlide and that is not installed.
    """
    path = Path(path)
    name = name or str(path)
    suffix = path.suffix.lower()
    opened = _open_tiff if suffix in TIFF_SUFFIXES else _open_zarr if suffix == ".zarr" else _open_openslide
    context = opened(path, name)
    with explained(name):
        pyramid = context.__enter__()
    try:
        yield pyramid
    finally:
        context.__exit__(None, None, None)


@contextmanager
def _open_tiff(path: Path, name: str) -> Iterator[Pyramid]:
    """OME-TIFF, BigTIFF, SVS, NDPI."""
    import tifffile

    with open(path, "rb", opener=opener) as file:
        size = path.stat().st_size
        if not size:
            raise UnreadableImageError("the file is empty (0 bytes). Copy or export it again.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            directories, ndpi = tiff_directories(data), is_ndpi(data)
        with tifffile.TiffFile(file, is_ndpi=ndpi) as tiff:
            series = sound_series(tiff, directories, size)
            page = series.keyframe
            if page.bitspersample != 8 or int(page.tags.valueof(274, default=1)) != 1:
                raise UnsupportedImageError("a slide must have 8 bits per channel and be upright. Export it again.")
            if not page.is_tiled:
                raise UnsupportedImageError("the TIFF is not tiled. Write a tiled TIFF, or an image with fewer pixels.")
            levels = [_array(level) for level in series.levels]
            at = [series.axes.index(axis) for axis in "YX"]

            def pixels(level: int, box: Box) -> RgbImage:
                index = [slice(None)] * len(series.axes)
                index[at[0]], index[at[1]] = box.slices
                return tiff_to_rgb(np.asarray(levels[level][tuple(index)]), series)

            shapes = tuple((int(level.shape[at[0]]), int(level.shape[at[1]])) for level in levels)
            yield Pyramid(name, shapes, tiff_pixel_size(tiff, page), pixels)


def _array(level: Any) -> Any:
    """One level of a series as an array whose chunks are read when they are asked for."""
    import zarr

    return zarr.open_array(level.aszarr(level=0), mode="r")


@contextmanager
def _open_zarr(path: Path, name: str) -> Iterator[Pyramid]:
    """OME-Zarr 0.4 and 0.5: the first multiscale image of the group."""
    import zarr

    try:
        group = zarr.open_group(str(path), mode="r")
    except (OSError, ValueError) as error:  # whose text has the path
        raise UnreadableImageError(f"it is no Zarr group ({type(error).__name__}). Copy or export it again.") from None
    attributes: Any = dict(group.attrs)
    attributes = attributes.get("ome", attributes)
    try:
        image = attributes["multiscales"][0]
        axes = [axis["name"] for axis in image["axes"]]
        levels: list[Any] = [group[level["path"]] for level in image["datasets"]]
        y, x = axes.index("y"), axes.index("x")
    except (LookupError, TypeError, ValueError) as error:
        raise UnsupportedImageError(
            f"no OME-Zarr image of version 0.4 or 0.5 ({type(error).__name__}). Export it again."
        ) from None
    n_channels = levels[0].shape[axes.index("c")] if "c" in axes else 1
    n_values = int(np.prod(levels[0].shape))
    if levels[0].dtype != np.uint8 or n_channels != 3 or n_values != 3 * levels[0].shape[y] * levels[0].shape[x]:
        raise UnsupportedImageError(
            f"the OME-Zarr has {len(axes)} axes, shape {levels[0].shape} and type {levels[0].dtype}; "
            "a slide is one plane of three channels of 8 bits. Export it as RGB."
        )

    def pixels(level: int, box: Box) -> RgbImage:
        index: list[Any] = [slice(None) if axis == "c" else 0 for axis in axes]
        index[y], index[x] = box.slices
        kept = [axis for axis in axes if axis in "cyx"]
        part = np.asarray(levels[level][tuple(index)])
        return np.ascontiguousarray(part.transpose([kept.index(axis) for axis in "yxc"]))

    shapes = tuple((int(level.shape[y]), int(level.shape[x])) for level in levels)
    yield Pyramid(name, shapes, _zarr_pixel_size(image, y, x), pixels)


def _zarr_pixel_size(image: Any, y: int, x: int) -> float | None:
    """The pixel size of the finest level of a multiscale image, µm, where it states one."""
    units = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3} | UM
    for transformation in image["datasets"][0].get("coordinateTransformations", []):
        if transformation.get("type") == "scale":
            factors = [units.get(image["axes"][at].get("unit", ""), np.nan) for at in (x, y)]
            return pixel_size(*(transformation["scale"][at] * factor for at, factor in zip((x, y), factors, strict=True)))
    return None


@contextmanager
def _open_openslide(path: Path, name: str) -> Iterator[Pyramid]:
    """What OpenSlide reads."""
    try:
        import openslide
    except ImportError:
        raise UnsupportedImageError(
            f"slides {path.suffix} are read by OpenSlide, which is missing: "
            "pip install 'napari-wbc[wsi]' (in a copy of the repository: '.[wsi]')."
        ) from None
    try:
        slide = openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        raise UnreadableImageError(f"OpenSlide cannot read it: {error}. Copy or export it again.") from None
    with slide:
        shapes = tuple((height, width) for width, height in slide.level_dimensions)

        def pixels(level: int, box: Box) -> RgbImage:
            factors = [shapes[0][axis] / shapes[level][axis] for axis in (0, 1)]
            place = (round(box.x0 * factors[1]), round(box.y0 * factors[0]))
            try:
                rgba = np.asarray(slide.read_region(place, level, (box.width, box.height)))
            except openslide.OpenSlideError as error:
                raise UnreadableImageError(f"OpenSlide cannot read it: {error}. Copy or export it again.") from None
            return np.where(rgba[..., 3:] > 0, rgba[..., :3], np.uint8(255))  # what was not scanned is transparent

        mpp = [float(slide.properties.get(f"openslide.mpp-{axis}", "nan")) for axis in "xy"]
        yield Pyramid(name, shapes, pixel_size(*mpp), pixels)
