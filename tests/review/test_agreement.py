"""Agreement of two readings, against scikit-learn and a case by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from napari_wbc.config import CELL_TYPES
from napari_wbc.review import agreement


def test_kappa_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    names = [*CELL_TYPES, "smudge", "blast"]
    first = {i: names[rng.integers(7)] for i in range(200)}
    second = {i: name if rng.random() < 0.6 else names[rng.integers(7)] for i, name in first.items()}
    found = agreement(first, second)
    assert found.kappa == pytest.approx(cohen_kappa_score(list(first.values()), list(second.values())))
    assert found.same.k == sum(first[i] == second[i] for i in first)
    assert found.names == tuple(names)


def test_only_cells_that_both_have_read_count() -> None:
    found = agreement({1: "basophil", 2: "monocyte", 3: "monocyte"}, {2: "monocyte", 3: "basophil", 4: "smudge"})
    assert found.names == ("basophil", "monocyte")
    assert found.confusion.tolist() == [[0, 0], [1, 1]]
    assert str(found).splitlines()[:2] == ["Same: 1/2 = 50.0 % (1.3-98.7)", "Cohen's kappa 0.00"]


def test_kappa_is_undefined_where_chance_explains_all() -> None:
    assert agreement({1: "monocyte"}, {1: "monocyte"}).kappa is None
    assert agreement({}, {}).kappa is None
    assert "kappa" not in str(agreement({}, {}))
