"""The analysis scale of an image: the resizing at which its cells are as large as those the network was trained on.

Precedence: what the user says > what the file says > estimated from the red cells > from the white cells found > assumed.
"""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow
from scipy import ndimage
from skimage.segmentation import expand_labels

from .cells import Field, Labels, Probabilities, RgbImage, Scale
from .config import ASSUMED_UM_PER_PX, RED_CELL_DIAMETER_UM, Settings
from .crop import boxes
