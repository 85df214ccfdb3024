"""Store what the default models find in the ten fields."""

from __future__ import annotations

import json

from napari_wbc import analyse, load_models
from tests.golden import CELLS, SEEDS, field, stored

models = load_models(device="cpu", threads=1)
found = {
    "models": [model.identity.partition("+")[0] for model in (models.segmenter, models.classifier)],
    "fields": [stored(analyse(field(seed).image, models)) for seed in SEEDS],
}
lines = ",\n".join("  [" + ",\n   ".join(json.dumps(cell) for cell in cells) + "]" for cells in found["fields"])
CELLS.write_text(f'{{"models": {json.dumps(found["models"])},\n "fields": [\n{lines}\n]}}\n')
