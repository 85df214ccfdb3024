"""Importers: other people's data sets become results folders. Pixels stay where they are; labels and records are written.

What becomes of what a set says:

- An *outline* that a person drew becomes the label of the cell, with `outline_source=human`. If every cell of an image has
  one, the image has `reviewed_by`: the set's people vouch for it, and it may train a segmenter.
- A *type* that a person gave becomes `cell_type`, with `type_source=human`: it may train a classifier. Where none was given,
  or two experts disagree, the cell is `unidentified`, with `type_source=model`.
- A *box* without an outline becomes the ellipse inside the box: a stand-in, so that box, crop and type have a label to hang
  on. It has `outline_source=model` and no measurement but place and area, and its image never has `reviewed_by`, so that no
  segmenter learns ellipses. The ellipse touches all four sides, so the box of the label is the box of the set; and unlike
  whole boxes, ellipses of neighbours hardly overlap.
- A *type of a whole crop*, with neither box nor outline, becomes the ellipse in a box that the program found round the stained
  object in the middle (`outlines.centred_box`). The whole crop as box would show a classifier the cell at the wrong size.

`reviewed_by` of a cell names who saw it, also where they gave only a box; so batch never overwrites an imported cell. Dates of
the review are not known and stay empty, so that importing again gives equal bytes. What was corrected in napari since is kept.
The pixel size is found as the pipeline does, from file, red cells or outlined white cells, since training needs it; the
`analysis_scale` is 1, since no network has seen the images.
"""

from __future__ import annotations

from ..results.runfile import Progress
from .importing import LAYOUTS, ImportSummary, import_dataset

__all__ = ["LAYOUTS", "ImportSummary", "Progress", "import_dataset"]
