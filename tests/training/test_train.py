"""The whole road on tiny drawn data: data in, model, card, curve, comparison out; resume; the command line."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from napari_wbc.cli import app
from napari_wbc.errors import CheckpointError, UsageError
from napari_wbc.nets import load_models
from napari_wbc.nets.alexnet import AlexNet
from napari_wbc.nets.checkpoint import KEY, read_card
from napari_wbc.nets.deeplab import DeepLabV3Plus
from napari_wbc.pipeline import finish
from napari_wbc.training.begin import begin, load_matching
from napari_wbc.training.classification import ClassifierTask
from napari_wbc.training.classifier_job import ClassifierJob, fit_temperature
from napari_wbc.training.recipes import RECIPES, make_recipe
from napari_wbc.training.segmenter_job import SegmenterJob
from napari_wbc.training.sources import open_sources
from napari_wbc.training.split import split
from napari_wbc.training.state import Epoch
from napari_wbc.training.train import Request, train
from tests.training.drawn import corrected, tiny_classifier, tiny_segmenter

TINY = {"batch": "2", "batches_per_epoch": "1", "fine_tune_epochs": "2", "epochs": "1"}
TINY_SEGMENTER = TINY | {"window_px": "64"}
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corrected(tmp_path_factory.mktemp("drawn"))


def call(*arguments: object) -> Result:
    return RUNNER.invoke(app, ["train", *map(str, arguments)], catch_exceptions=False)


def options(changes: dict[str, str]) -> list[str]:
    return [part for name, value in changes.items() for part in ("--set", f"{name}={value}")]


# -- fine-tuning -------------------------------------------------------------------------------------------------------


def test_the_command_line_fine_tunes_a_segmenter(results: Path, tmp_path: Path) -> None:
    old, new = tiny_segmenter(tmp_path / "old.safetensors"), tmp_path / "new.safetensors"
    done = call("segmenter", results, "-o", new, "--from", old, "--seed", 1, *options(TINY_SEGMENTER))
    assert done.exit_code == 0, done.stderr
    assert "epoch 2/2" in done.stderr
    assert "PROMOTED" in done.stdout
    assert "Data:   results: 4 images (4 with cells)\n" in done.stdout
    before, card = read_card(old), read_card(new)
    same = ("architecture", "outputs", "mean", "std", "um_per_px", "cell_diameter_um", "licences", "crop_margin", "temperature")
    assert {name: getattr(card, name) for name in same} == {name: getattr(before, name) for name in same}
    assert card.name == "new"
    assert card.domain is None, "what the old model knows is not known, so the new one's ranges would be too narrow"
    assert card.data == ("old data", "results: 4 images (4 with cells)")
    assert "old recipe; then default, 2 of at most 2 epochs" in card.recipe
    assert '"window_px":64' in card.recipe
    assert card.split.startswith("old split; then 2 images to train on, 2 held out, parted by slide, seed 1")
    assert "tiny" in card.start_weights
    assert "ImageNet" in card.start_weights
    assert "old" not in card.metrics, "the old figures are not the new model's"
    assert "(n = 2)" in card.metrics["held-out images, mean IoU of the WBC"]
    assert "Wilcoxon" in card.metrics["against tiny"]
    folder = tmp_path / "new.training"
    lines = list(csv.DictReader((folder / "curve.csv").read_text().splitlines()))
    assert [line["epoch"] for line in lines] == ["1", "2"]
    assert all(float(line["loss"]) > 0 and 0 <= float(line["iou_results"]) <= 1 for line in lines)
    assert [line["best"] for line in lines].count("true") == 1
    assert np.asarray(Pillow.open(folder / "curve.png")).std() > 1
    assert json.loads((folder / "comparison.json").read_text())["n"] == 2
    assert not torch.equal(load_file(old)["head.weight"], load_file(new)["head.weight"])

    again = call("segmenter", results, "-o", new, "--from", old, "--seed", 1, *options(TINY_SEGMENTER))
    assert again.exit_code == 2
    assert "holds a training (2 of its epochs done)" in again.stderr
    assert "--resume" in again.stderr
    other = call("segmenter", results, "-o", new, "--from", old, "--seed", 2, "--resume", *options(TINY_SEGMENTER))
    assert other.exit_code == 2
    assert "begun with other seed" in other.stderr
    assert read_card(new) == card


def test_a_model_that_is_worse_is_written_but_not_promoted(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tiny_classifier(tmp_path / "old.safetensors"), tmp_path / "new.safetensors"
    monkeypatch.setattr(ClassifierJob, "judge", lambda _, path, items, device: np.full(9, 1.0 if path == old else 0.0))
    monkeypatch.setattr(ClassifierJob, "figures", lambda *_: {})
    done = call("classifier", results, "-o", new, "--from", old, *options(TINY))
    assert done.exit_code == 1
    assert "NOT PROMOTED" in done.stdout
    assert "0 better, 9 worse" in read_card(new).metrics["against tiny"]
    assert not json.loads((tmp_path / "new.training" / "comparison.json").read_text())["promoted"]


def test_a_classifier_is_judged_as_it_is_used(results: Path, tmp_path: Path) -> None:
    """A network that calls everything a basophil is right on the basophils."""
    path = tiny_classifier(tmp_path / "basophil.safetensors", likes=0)
    recipe = make_recipe("classifier", "default", {})
    job = ClassifierJob(recipe, begin("classifier", recipe, str(path), None))  # type: ignore[arg-type]
    items = job.items(open_sources([results]))
    scores = job.judge(path, items, "cpu")
    assert scores.tolist() == [float(item.stratum == "basophil") for item in items]
    assert 0 < scores.sum() < len(scores)
    n = int(scores.sum())
    assert job.figures(scores, items)["held-out basophil"].startswith(f"{n}/{n} = 100.0 %")
    assert job.figures(scores, items)["held-out cells named right"].startswith(f"{n}/{len(scores)}")


def test_a_stopped_training_resumes_to_the_same_model(results: Path, tmp_path: Path) -> None:
    old = tiny_classifier(tmp_path / "old.safetensors")
    recipe = make_recipe("classifier", "default", TINY)
    whole = Request(
        what="classifier", data=(results,), model=tmp_path / "whole" / "m.safetensors", recipe=recipe, from_model=str(old)
    )
    part = dataclasses.replace(whole, model=tmp_path / "part" / "m.safetensors")
    expected = finish(train(whole))
    steps = train(part)
    while not isinstance(next(steps), Epoch):
        pass
    steps.close()
    assert not part.model.exists()
    with pytest.raises(UsageError, match=r"a training \(1 of its epochs done\)"):
        finish(train(part))
    found = finish(train(dataclasses.replace(part, resume=True)))
    assert [e.loss for e in found.history.epochs] == [e.loss for e in expected.history.epochs]
    assert found.card == expected.card
    tensors = load_file(part.model)
    for name, value in load_file(whole.model).items():
        torch.testing.assert_close(tensors[name], value, rtol=0, atol=0)


def test_lack_of_memory_says_what_to_do(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loss(self: ClassifierTask, batch: object) -> torch.Tensor:
        return torch.empty(2**60, dtype=torch.uint8)

    monkeypatch.setattr(ClassifierTask, "loss", loss)
    old, new = tiny_classifier(tmp_path / "old.safetensors"), tmp_path / "new.safetensors"
    done = call("classifier", results, "-o", new, "--from", old, "--device", "cpu", *options(TINY | {"batch": "6"}))
    assert done.exit_code == 3
    assert "cpu ran out of memory" in done.stderr
    assert "--set batch=3" in done.stderr
    assert "Traceback" not in done.stderr
    assert not new.exists()


# -- from start weights ------------------------------------------------------------------------------------------------


def test_the_papers_recipe_trains_both_networks_from_start_weights_to_models_that_load(results: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = {name: value.numpy() for name, value in AlexNet("original", 4, 5).features.state_dict().items()}
    np.savez(tmp_path / "alexnet.npz", **weights)
    paper = ["--recipe", "paper", "--set", "epochs=1", "--set", "batch=2"]
    named = call(
        "classifier", results, "-o", tmp_path / "c.safetensors", "--start", tmp_path / "alexnet.npz", *paper, "--set", "width=8"
    )
    assert named.exit_code == 0, named.stderr
    card = read_card(tmp_path / "c.safetensors")
    assert (card.outputs[0], len(card.outputs), card.crop_margin, card.crop_size_px) == ("basophil", 5, None, 227)
    assert card.start_weights.startswith("alexnet.npz (SHA-256 ")
    small = ["--set", "encoder=mobilenet_v2", "--set", "field_px=64"]
    found = call("segmenter", results, "-o", tmp_path / "s.safetensors", "--start", "none", *paper, *small)
    assert found.exit_code == 0, found.stderr
    card = read_card(tmp_path / "s.safetensors")
    assert card.outputs == ("wbc",)
    assert card.um_per_px == pytest.approx(0.4 * np.sqrt(120 * 160) / 64, abs=1e-3)
    assert card.cell_diameter_um is not None
    assert 8 < card.cell_diameter_um < 18
    assert "PROMOTED" not in found.stdout
    load_models(tmp_path / "s.safetensors", tmp_path / "c.safetensors", "cpu")


def test_the_default_recipe_trains_from_start_weights(results: Path, tmp_path: Path) -> None:
    recipe = make_recipe("segmenter", "default", TINY_SEGMENTER | {"um_per_px": "0.8"})
    outcome = finish(
        train(Request(what="segmenter", data=(results,), model=tmp_path / "s.safetensors", recipe=recipe, start="none"))
    )
    assert outcome.comparison is None
    assert outcome.card.outputs == ("wbc", "core")
    assert outcome.card.um_per_px == 0.8
    assert outcome.card.domain is not None
    (known,) = outcome.card.domain.values()
    low, high = known["cell_diameter_um"]
    assert low < outcome.card.cell_diameter_um < high
    recipe = make_recipe("classifier", "default", TINY | {"width": "8"})
    outcome = finish(
        train(Request(what="classifier", data=(results,), model=tmp_path / "c.safetensors", recipe=recipe, start="none"))
    )
    assert len(outcome.card.outputs) == 5, "there are no cells to teach `other`"


def test_fine_tuning_adds_to_what_the_old_model_knows(results: Path, tmp_path: Path) -> None:
    old = tiny_segmenter(tmp_path / "old.safetensors")
    card = read_card(old).model_copy(update={"domain": {"lab": {"background": (200.0, 250.0)}}})
    save_file(load_file(old), old, metadata={KEY: card.model_dump_json()})
    recipe = make_recipe("segmenter", "default", {})
    job = SegmenterJob(recipe, begin("segmenter", recipe, str(old), None))
    items = job.items(open_sources([results]))
    network, card = job.network(items)
    known = job.calibrate(network, card, split(items, 0.5, 0)).domain
    assert known is not None
    assert known["lab"] == {"background": (200.0, 250.0)}
    assert len(known) == 2


@pytest.mark.parametrize("prefix", ["", "features."])
def test_start_weights_fit_with_and_without_their_prefix(prefix: str) -> None:
    alexnet, source = AlexNet("original", 4, 5), AlexNet("original", 4, 5)
    load_matching(alexnet.features, {prefix + k: v for k, v in source.features.state_dict().items()})
    torch.testing.assert_close(alexnet.features.state_dict(), source.features.state_dict())
    deeplab, other = DeepLabV3Plus("mobilenet_v2", 1), DeepLabV3Plus("mobilenet_v2", 1)
    tensors = {prefix + k.removeprefix("features."): v for k, v in other.encoder.state_dict().items()}
    load_matching(deeplab.encoder, tensors)
    torch.testing.assert_close(deeplab.encoder.state_dict(), other.encoder.state_dict())
    with pytest.raises(CheckpointError, match="do not fit"):
        load_matching(deeplab.encoder, {prefix + k: v for k, v in source.features.state_dict().items()})


# -- what makes no sense -----------------------------------------------------------------------------------------------


def test_wrong_use_is_refused_with_what_to_do(results: Path, tmp_path: Path) -> None:
    old, new = tiny_segmenter(tmp_path / "old.safetensors"), tmp_path / "new.safetensors"
    before = old.read_bytes()
    for said, arguments in {
        "either a finished model": ("segmenter", results, "-o", new, "--from", old, "--start", "none"),
        "must end with .safetensors": ("segmenter", results, "-o", tmp_path / "new.pt", "--from", old),
        "is already there": ("segmenter", results, "-o", old, "--from", old, *options(TINY_SEGMENTER)),
        "already there": ("segmenter", results, "-o", old, "--from", old, "--resume", *options(TINY_SEGMENTER)),
        "a classifier is expected": ("classifier", results, "-o", new, "--from", old),
        "not a results folder": ("segmenter", tmp_path, "-o", new, "--from", old),
        "trains one map": ("segmenter", results, "-o", new, "--from", old, "--recipe", "paper"),
        "The paper's recipe begins with start weights": ("classifier", results, "-o", new, "--recipe", "paper"),
        "recipe begins with start weights": ("segmenter", results, "-o", new, "--recipe", "paper"),
        "Known: name, epochs": ("segmenter", results, "-o", new, "--from", old, "--set", "epoch=3"),
        "takes NAME=VALUE": ("segmenter", results, "-o", new, "--from", old, "--set", "epochs"),
        "no start weights 'ResNet_Weights'": ("segmenter", results, "-o", new, "--start", "ResNet_Weights"),
    }.items():
        done = call(*arguments)
        assert done.exit_code == 2, said
        assert said in done.stderr
    assert not new.exists()
    assert old.read_bytes() == before


def test_the_temperature_is_found() -> None:
    """Logits that are three times too large for how often they are right."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 5, generator=generator) * 2
    targets = torch.multinomial(torch.softmax(logits, dim=1), 1, generator=generator)[:, 0]
    assert fit_temperature(3 * logits, targets) == pytest.approx(3, rel=0.08)


def test_the_default_recipe_is_that_of_the_loop_and_the_tasks() -> None:
    plan = RECIPES["segmenter", "default"].plan(seed=0, fine_tuning=False)
    assert (plan.epochs, plan.lr, plan.encoder_lr, plan.optimiser, plan.average) == (30, 1e-3, 0.3, "adamw", 0.998)
    assert plan.keep_best
    assert RECIPES["segmenter", "default"].plan(seed=0, fine_tuning=True).lr == pytest.approx(2e-4)
