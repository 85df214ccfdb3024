"""Read an image as (H, W, 3) uint8 with its pixel size; refuse the rest, with a reason.

Files are known by their content, not by their suffix: `png_jpeg_bmp` go to Pillow, `tiff` (OME, ImageJ, pyramids) to tifffile.
The conversions are the same everywhere, those of `to_rgb`.
"""

from __future__ import annotations

from .checks import DAMAGE, UM, explained, pixel_size, unheard
from .lzw import guard_lzw
from .png_jpeg_bmp import exif_orientation
from .reading import IMAGE_SUFFIXES, MAX_MEGAPIXELS, decode, read_bytes, read_image
from .rgb import to_rgb
from .tiff import is_ndpi, series_in, sound_series, tiff_directories, tiff_pixel_size, tiff_to_rgb

__all__ = [
    "DAMAGE",
    "IMAGE_SUFFIXES",
    "MAX_MEGAPIXELS",
    "UM",
    "decode",
    "exif_orientation",
    "explained",
    "guard_lzw",
    "is_ndpi",
    "pixel_size",
    "read_bytes",
    "read_image",
    "series_in",
    "sound_series",
    "tiff_directories",
    "tiff_pixel_size",
    "tiff_to_rgb",
    "to_rgb",
    "unheard",
]
