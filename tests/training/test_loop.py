"""The training loop: it learns, stops and resumes to the same weights, and decays weights only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from napari_wbc.training.loop import Plan, ahead, fit, parameter_groups


class Lines:
    """A task with a known answer: y = 3 x - 1."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    def batches(self, epoch: int) -> list[tuple[Tensor, Tensor]]:
        x = torch.rand(10, 16, 1, generator=torch.Generator().manual_seed(epoch))
        return [(part, 3 * part - 1) for part in x]

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return (self.model(batch[0]) - batch[1]).square().mean()

    def validate(self, model: nn.Module) -> dict[str, float]:
        assert not model.training
        return {"error": float((model(torch.tensor([[0.5]])) - 0.5).abs().detach())}

    def train_mode(self) -> None:
        self.model.train()

    def is_encoder(self, name: str) -> bool:
        return name.startswith("0.")


PLAN = Plan(epochs=6, lr=0.05, average=0.9)


def weights(task: Lines) -> Tensor:
    return torch.cat([p.detach().flatten() for p in task.model.parameters()])


def test_it_learns(tmp_path: Path) -> None:
    epochs = list(fit(Lines(), Plan(epochs=25, lr=0.05, average=0.9), tmp_path))
    assert [e.number for e in epochs] == list(range(25))
    assert epochs[-1].loss < epochs[0].loss / 5
    assert epochs[-1].scores["error"] < 0.1


def test_a_stopped_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole, first, second = Lines(), Lines(), Lines()
    expected = list(fit(whole, PLAN, tmp_path / "whole"))
    steps = fit(first, PLAN, tmp_path / "stopped")
    for _ in range(3):
        next(steps)
    steps.close()
    rest = list(fit(second, PLAN, tmp_path / "stopped"))
    assert [e.number for e in rest] == [3, 4, 5]
    torch.testing.assert_close(weights(second), weights(whole), rtol=0, atol=0)
    assert rest[-1].scores == expected[-1].scores
    assert list(fit(Lines(), PLAN, tmp_path / "stopped")) == []


def test_one_checkpoint_is_kept_and_an_unfinished_one_is_not_used(tmp_path: Path) -> None:
    list(fit(Lines(), Plan(epochs=2), tmp_path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch.json", "epoch1.safetensors"]
    (tmp_path / "epoch2.safetensors").write_bytes(b"half")
    (epoch,) = fit(Lines(), Plan(epochs=3), tmp_path)
    assert epoch.number == 2


def test_weights_decay_and_nothing_else_and_the_encoder_learns_slower() -> None:
    groups = parameter_groups(Lines(), Plan(epochs=1, lr=1.0, encoder_lr=0.1, weight_decay=0.5))
    found = {(g["lr"], g["weight_decay"]): sorted(tuple(p.shape) for p in g["params"]) for g in groups}
    assert found == {(0.1, 0.5): [(4, 1)], (0.1, 0.0): [(4,)], (1.0, 0.5): [(1, 4)], (1.0, 0.0): [(1,), (4,), (4,)]}


def test_batches_made_ahead_come_in_order_and_pass_on_errors() -> None:
    class Broken(list[int]):
        def __iter__(self) -> Iterator[int]:
            yield from (1, 2)
            raise ValueError("no third batch")

    assert list(ahead([1, 2, 3])) == [1, 2, 3]
    items = ahead(Broken())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="no third batch"):
        next(items)
