"""The training loop: it learns, stops and resumes to the same weights, and decays weights only."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from napari_wbc.errors import CheckpointError, SettingsError
from napari_wbc.training.loop import Batch, Plan, ahead, fit, parameter_groups, steps
from napari_wbc.training.state import best_weights, read_history


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

    def is_last(self, name: str) -> bool:
        return name.startswith("2.")


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


class Scripted(Lines):
    """Its validation scores are given."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores, self.seen = list(scores), list[dict[str, Tensor]]()

    def validate(self, model: nn.Module) -> dict[str, float]:
        self.seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return {"score": self.scores[len(self.seen) - 1]}


def test_it_stops_when_patience_ends_and_keeps_the_best_also_after_a_resume(tmp_path: Path) -> None:
    plan = Plan(epochs=9, lr=0.05, average=0.0, patience=2, keep_best=True)
    task = Scripted(0.1, 0.5, 0.5, 0.3, 0.9)
    assert [e.number for e in fit(task, plan, tmp_path)] == [0, 1, 2, 3]
    assert read_history(tmp_path).best.number == 1, "the first of equals"
    kept = best_weights(tmp_path)
    assert set(kept) == set(task.seen[1])
    for name, value in kept.items():
        torch.testing.assert_close(value, task.seen[1][name], rtol=0, atol=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best1.safetensors", "epoch.json", "epoch3.safetensors"]
    assert list(fit(Scripted(), plan, tmp_path)) == []
    (more,) = fit(Scripted(0.9), Plan(epochs=5, lr=0.05, average=0.0, keep_best=True), tmp_path)
    assert (more.number, read_history(tmp_path).best.number) == (4, 4)
    assert [e.scores["score"] for e in read_history(tmp_path).epochs] == [0.1, 0.5, 0.5, 0.3, 0.9]
    assert (tmp_path / "best4.safetensors").exists()


def test_every_batch_is_told(tmp_path: Path) -> None:
    told = [step for step in steps(Lines(), Plan(epochs=1), tmp_path) if isinstance(step, Batch)]
    assert [(step.epoch, step.done, step.total) for step in told] == [(0, i + 1, 10) for i in range(10)]


def test_sgd_with_momentum_resumes_to_the_same_weights(tmp_path: Path) -> None:
    plan = Plan(epochs=4, lr=0.01, average=0.0, optimiser="sgd", schedule="steps", step_epochs=1)
    whole, second = Lines(), Lines()
    list(fit(whole, plan, tmp_path / "whole"))
    list(fit(Lines(), Plan(**{**vars(plan), "epochs": 2}), tmp_path / "part"))
    assert [e.number for e in fit(second, plan, tmp_path / "part")] == [2, 3]
    torch.testing.assert_close(weights(second), weights(whole), rtol=0, atol=0)


def test_a_damaged_checkpoint_and_one_of_another_network_are_refused(tmp_path: Path) -> None:
    list(fit(Lines(), Plan(epochs=1), tmp_path))
    other = Lines()
    other.model = nn.Sequential(nn.Linear(1, 3))
    with pytest.raises(CheckpointError, match="does not fit"):
        next(fit(other, Plan(epochs=2), tmp_path))
    (tmp_path / "epoch0.safetensors").write_bytes(b"half")
    with pytest.raises(CheckpointError, match=r"epoch0\.safetensors cannot be read"):
        next(fit(Lines(), Plan(epochs=2), tmp_path))
    (tmp_path / "epoch.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"epoch\.json cannot be read"):
        next(fit(Lines(), Plan(epochs=2), tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "null", "{}", '{"number": 0}'),
        '{"file": "epoch0.safetensors", "number": 0, "loss": 1, "scores": {}, "seconds": 1, "earlier": [{}]}',
        '{"file": "epoch0.safetensors", "number": 0, "loss": 1, "scores": {}, "seconds": 1, "earlier": 3}',
        '{"file": "epoch0.safetensors", "number": "first", "loss": 1, "scores": {}, "seconds": 1}',
    ],
)
def test_what_is_no_mark_is_not_taken_for_no_training(text: str, tmp_path: Path) -> None:
    assert read_history(tmp_path).epochs == ()
    (tmp_path / "epoch.json").write_text(text)
    for read in (read_history, best_weights):
        with pytest.raises(CheckpointError, match=r"epoch\.json cannot be read: .* another folder"):
            read(tmp_path)


class Diverging(Lines):
    """From the fourth batch of the third epoch on, its loss or the gradient of it is not finite."""

    def __init__(self, added: float, steep: bool) -> None:
        super().__init__()
        self.added, self.steep, self.n_batches = added, steep, 0

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        self.n_batches += 1
        root = (0 * self.model[2].bias).sum().sqrt()  # 0, its gradient is infinite
        odd = self.added + (root if self.steep else 0)
        return super().loss(batch) + (odd if self.n_batches > 23 else 0)


@pytest.mark.parametrize(
    ("added", "steep", "says"),
    [
        (math.nan, True, "the loss is nan, its gradient nan"),
        (math.inf, False, r"the loss is inf, its gradient \d"),
        (0, True, "nan"),
    ],
)
def test_a_training_that_diverges_ends_and_keeps_the_last_good_epoch(
    added: float, steep: bool, says: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=f"epoch 3, batch 4 of 10: .*{says}.* smaller lr"):
        list(fit(Diverging(added, steep), PLAN, tmp_path))
    assert len(read_history(tmp_path).epochs) == 2
    assert [e.number for e in fit(Lines(), PLAN, tmp_path)] == [2, 3, 4, 5]


def test_weights_decay_and_nothing_else_and_the_encoder_learns_slower() -> None:
    groups = parameter_groups(Lines(), Plan(epochs=1, lr=1.0, encoder_lr=0.1, weight_decay=0.5))
    found = {(g["lr"], g["weight_decay"]): sorted(tuple(p.shape) for p in g["params"]) for g in groups}
    assert found == {(0.1, 0.5): [(4, 1)], (0.1, 0.0): [(4,)], (1.0, 0.5): [(1, 4)], (1.0, 0.0): [(1,), (4,), (4,)]}
    groups = parameter_groups(Lines(), Plan(epochs=1, lr=1.0, encoder_lr=0.1, last_lr=20.0))
    assert {g["lr"] for g in groups for p in g["params"] if tuple(p.shape) in {(1, 4), (1,)}} == {20.0}


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


def test_no_optimiser_imports_triton_which_would_crash_beside_a_window() -> None:
    program = (
        "import sys, torch\n"
        "from napari_wbc.training.loop import without_triton\n"
        "with without_triton():\n"
        "    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])\n"
        "assert 'torch._dynamo' in sys.modules\n"
        "assert 'triton' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
