"""What every format is checked for: damage, the size that it declares, a plausible pixel size."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tifffile import TiffFileError

from ..errors import ImageError, ImageTooLargeError, UnreadableImageError

DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    SyntaxError,
    EOFError,
    RuntimeError,
    AssertionError,
    ImportError,
    struct.error,
    zlib.error,
    TiffFileError,  # in older releases an Exception of its own
    Warning,  # where warnings are errors
)
"""What Pillow, tifffile and imagecodecs raise on damaged files, found by changing files of every format at random."""

_PLAUSIBLE_UM_PER_PX = (0.01, 5.0)

UM = {
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    "inch": 25400.0,
    "m": 1e6,
}
"""µm in one of the units that files name."""


_is_unheard = ContextVar("_is_unheard", default=False)
logging.getLogger("tifffile").addFilter(lambda _: not _is_unheard.get())


@contextmanager
def unheard() -> Iterator[None]:
    """Drop what tifffile logs of a damaged file: an error of ours says it, with the name of the image."""
    before = _is_unheard.set(True)
    try:
        yield
    finally:
        _is_unheard.reset(before)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what libraries raise on damaged files into errors of ours, and begin messages with the name of the image.

    Raises
    ------
    ImageError
        Where the block raises one, or anything that a damaged file causes.
    """
    try:
        with unheard():
            yield
    except ImageError as error:
        raise type(error)(f"{name}: {error}") from None
    except MemoryError:
        raise ImageTooLargeError(f"{name}: memory does not suffice to decode it. Write a tiled TIFF instead.") from None
    except DAMAGE as error:
        said = getattr(error, "strerror", None) or error  # without the path, which no table is to tell
        reason = f"{type(error).__name__}: {said}".rstrip(". ")
        raise UnreadableImageError(f"{name}: the image is damaged or truncated ({reason}). Copy or export it again.") from error


def check_size(width: int, height: int, max_megapixels: float) -> None:
    """Refuse sizes that are empty or beyond the budget, px."""
    if width * height == 0:
        raise UnreadableImageError(f"the image has no pixels ({width} × {height}). Export it again.")
    if width * height > max_megapixels * 1e6:
        raise ImageTooLargeError(
            f"{width} × {height} = {width * height / 1e6:.1f} megapixels, more than max_megapixels = {max_megapixels:g}. "
            "Write a tiled TIFF, which is analysed tile by tile, or raise max_megapixels."
        )


def pixel_size(x_um: float, y_um: float) -> float | None:
    """The pixel size, µm, unless it is implausible under a microscope (72 and 300 dpi are) or x and y differ by over 2 %."""
    low, high = _PLAUSIBLE_UM_PER_PX
    return x_um if low <= x_um <= high and low <= y_um <= high and abs(x_um - y_um) <= 0.02 * max(x_um, y_um) else None
