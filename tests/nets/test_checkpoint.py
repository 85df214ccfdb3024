"""Model files say what they are; wrong and damaged ones are refused with what was found and expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_wbc.config import CELL_TYPES
from napari_wbc.errors import CheckpointError, DeviceError, ModelMemoryError
from napari_wbc.nets import load_models, loaded, model_path
from napari_wbc.nets.checkpoint import KEY, Alex, Card, DeepLab, read_card, read_checkpoint, save_checkpoint
from napari_wbc.nets.classifier import BATCH, TorchClassifier
from napari_wbc.nets.device import resolve_device
from napari_wbc.nets.fused import fusible
from napari_wbc.nets.loaded import computes_bfloat16
from napari_wbc.nets.memory import enough_memory
from napari_wbc.nets.segmenter import TorchSegmenter
from tests.permissions import closed

UNIT = (0.5, 0.5, 0.5)
SEGMENTER = Card(
    name="tiny", task="segmenter", architecture=DeepLab(encoder="mobilenet_v2"), outputs=("wbc", "core"), mean=UNIT, std=UNIT,
    um_per_px=0.2, cell_diameter_um=14.0,
)  # fmt: skip
CLASSIFIER = Card(
    name="tiny",
    task="classifier",
    architecture=Alex(width=4),
    outputs=(*CELL_TYPES, "other"),
    mean=UNIT,
    std=UNIT,
    temperature=2.0,
)


def saved(card: Card, n_outputs: int, folder: Path) -> Path:
    """A network with random weights, as a file."""
    torch.manual_seed(0)
    path = folder / f"{card.task}.safetensors"
    save_checkpoint(path, card.architecture.build(n_outputs), card)
    return path


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(SEGMENTER, 2, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(CLASSIFIER, 6, tmp_path_factory.mktemp("models"))


def test_round_trip_keeps_card_and_halved_weights(segmenter: Path) -> None:
    read = read_checkpoint(segmenter, "segmenter")
    assert read.card == SEGMENTER == read_card(segmenter)
    stored = load_file(segmenter)
    for name, value in read.network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert stored[name].dtype == torch.float16
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, stored[name].float(), rtol=0, atol=0)
    assert not read.network.training


def test_the_card_keeps_what_the_training_images_are_like(segmenter: Path, tmp_path: Path) -> None:
    assert TorchSegmenter(segmenter, "cpu").domain is None
    known = {"lab": {"background": (200.0, 250.5)}, "other": {}}
    path = tmp_path / "known.safetensors"
    save_checkpoint(path, SEGMENTER.architecture.build(2), SEGMENTER.model_copy(update={"domain": known}))
    assert TorchSegmenter(path, "cpu").domain == known


def rewrite(change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> Callable[[Path, Path], None]:
    def apply(source: Path, target: Path) -> None:
        tensors, header = load_file(source), {KEY: read_card(source).model_dump_json()}
        change(tensors, header)
        save_file(tensors, target, metadata=header)

    return apply


def cut(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[:-100])


def no_card(tensors: dict[str, torch.Tensor], header: dict[str, str]) -> None:
    header.clear()
    header["format"] = "pt"


def odd_card(tensors: dict[str, torch.Tensor], header: dict[str, str]) -> None:
    header[KEY] = header[KEY].replace('"mobilenet_v2"', '"vgg"')


def deep_card(tensors: dict[str, torch.Tensor], header: dict[str, str]) -> None:
    header[KEY] = "[" * 100_000


def lost_tensor(tensors: dict[str, torch.Tensor], header: dict[str, str]) -> None:
    del tensors["head.bias"]


def wrong_shape(tensors: dict[str, torch.Tensor], header: dict[str, str]) -> None:
    tensors["head.bias"] = torch.zeros(7)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut, "not a sound safetensors file"),
        (rewrite(no_card), "without a napari-wbc card"),
        (rewrite(odd_card), "card of .* is not valid"),
        (rewrite(deep_card), "card of .* is not valid"),
        (rewrite(lost_tensor), r"1 tensors differ, first head.bias: expected \(2,\), found None"),
        (rewrite(wrong_shape), r"first head.bias: expected \(2,\), found \(7,\)"),
        (lambda source, target: target.write_bytes(b"\x89PNG not a model"), "not a sound safetensors file"),
        (lambda source, target: None, "No model file"),
    ],
)
def test_wrong_and_damaged_files_are_refused(
    segmenter: Path, tmp_path: Path, damage: Callable[[Path, Path], None], says: str
) -> None:
    target = tmp_path / "model.safetensors"
    damage(segmenter, target)
    with pytest.raises(CheckpointError, match=says):
        read_checkpoint(target, "segmenter")


def test_a_file_that_may_not_be_read_is_not_missing(segmenter: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(segmenter.read_bytes())
    with closed(path), pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read: Permission denied") as refused:
        read_card(path)
    assert isinstance(refused.value.__cause__, PermissionError)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_card(tmp_path)


def test_a_file_whose_weights_were_altered_is_refused(segmenter: Path, tmp_path: Path) -> None:
    data = bytearray(segmenter.read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    assert read_card(tmp_path / "model.safetensors") == SEGMENTER
    with pytest.raises(CheckpointError, match="do not have its SHA-256"):
        read_checkpoint(tmp_path / "model.safetensors", "segmenter")


def test_a_card_that_was_altered_is_refused(segmenter: Path, tmp_path: Path) -> None:
    data = segmenter.read_bytes()
    assert data.count(b'um_per_px\\":0.2') == 1
    (tmp_path / "model.safetensors").write_bytes(data.replace(b'um_per_px\\":0.2', b'um_per_px\\":0.3'))
    with pytest.raises(CheckpointError, match="do not have its SHA-256"):
        read_checkpoint(tmp_path / "model.safetensors", "segmenter")


def test_a_file_without_sha256_is_read(segmenter: Path, tmp_path: Path) -> None:
    rewrite(lambda tensors, header: None)(segmenter, tmp_path / "model.safetensors")
    assert read_checkpoint(tmp_path / "model.safetensors", "segmenter").card == SEGMENTER


def test_a_card_that_claims_other_classes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for names, says in (("abcdef", "names"), (CELL_TYPES[::-1], "names"), (CELL_TYPES, "expected")):
        card = CLASSIFIER.model_copy(update={"outputs": tuple(names)})
        save_checkpoint(path, CLASSIFIER.architecture.build(len(names) + (says == "expected")), card)
        with pytest.raises(CheckpointError, match=says):
            TorchClassifier(path, "cpu")


def test_pickles_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({}, path)
    with pytest.raises(CheckpointError, match="pickle"):
        read_card(path)


def test_a_model_for_the_other_task_is_refused(segmenter: Path, classifier: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a classifier .* segmenter is expected"):
        load_models(classifier, classifier, "cpu")
    with pytest.raises(CheckpointError, match=r"is a segmenter .* classifier is expected"):
        load_models(segmenter, segmenter, "cpu")


def test_unknown_names_list_the_bundled_models_of_the_task() -> None:
    for task, names in (("segmenter", "mobilenet_v2"), ("classifier", "alexnet")):
        with pytest.raises(CheckpointError, match=rf"no {task} 'resnet999'.*bundled models \({names}\)"):
            model_path("resnet999", task)
    with pytest.raises(CheckpointError):
        model_path("../__init__", "segmenter")


def test_segmenter_gives_probabilities_of_the_size_of_its_images(segmenter: Path) -> None:
    network = TorchSegmenter(segmenter, "cpu")
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (40, 50, 3), dtype=np.uint8), rng.integers(0, 256, (33, 20, 3), dtype=np.uint8)]
    together = network(images)
    assert [p.shape for p in together] == [(2, 40, 50), (2, 33, 20)]
    assert all(p.dtype == np.float32 and p.min() >= 0 and p.max() <= 1 for p in together)
    np.testing.assert_array_equal(together[1], network(images[1:])[0])
    assert network.device == "cpu"
    precision = "bfloat16" if computes_bfloat16(torch.device("cpu")) else "float32"
    assert network.identity.endswith(f"+{precision}+torch-cpu")


def test_lack_of_memory_on_the_processor_is_an_error_of_ours(segmenter: Path) -> None:
    network = TorchSegmenter(segmenter, "cpu")
    with pytest.raises(ModelMemoryError, match="cpu ran out of memory"), network._running():
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="shape"), network._running():
        torch.zeros(2, 3) @ torch.zeros(2, 3)


@pytest.mark.parametrize(
    "said",
    [
        "MPS backend out of memory (MPS allocated: 1 GB).",
        "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_lack_of_memory_elsewhere_is_one_too(said: str) -> None:
    with pytest.raises(ModelMemoryError, match=r"mps ran out of memory: .*[^.]\. Do this\.$"), enough_memory("mps", "Do this."):
        raise RuntimeError(said)


def test_threads_are_set_for_the_process_and_told(segmenter: Path, classifier: Path) -> None:
    before = torch.get_num_threads()
    try:
        models = load_models(segmenter, classifier, "cpu", threads=3)
        assert models.segmenter.threads == models.classifier.threads == torch.get_num_threads() == 3
        load_models(segmenter, classifier, "cpu")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_classifier_numbers_do_not_depend_on_neighbours() -> None:
    network = TorchClassifier(model_path("default", "classifier"), "cpu")
    rng = np.random.default_rng(0)
    crops = list(rng.integers(0, 256, (11, 227, 227, 3), dtype=np.uint8))
    five, none = network(crops)
    assert five.shape == (11, 5)
    assert none.shape == (11,)
    np.testing.assert_allclose(five.sum(axis=1), 1, atol=1e-6)
    for i in (0, 5, 10):
        alone, alone_none = network(crops[i : i + 1])
        np.testing.assert_array_equal(alone[0], five[i])
        np.testing.assert_array_equal(alone_none[0], none[i])
    assert network([])[0].shape == (0, 5)


def test_the_network_sees_no_crop_twice(classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the fully connected layers, the cheap part, are given rows that nobody asked for."""
    network, seen = TorchClassifier(classifier, "cpu"), []
    logits = network._logits
    monkeypatch.setattr(network, "_logits", lambda crops: seen.append(len(crops)) or logits(crops))
    network(np.zeros((BATCH + 3, 227, 227, 3), np.uint8))
    assert seen == ([BATCH, 3] if fusible(torch.device("cpu")) else [BATCH, BATCH])


def test_every_batch_is_of_one_size_where_the_network_is_not_fused(classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded, "fusible", lambda device: False)
    network, seen = TorchClassifier(classifier, "cpu"), set()
    logits = network._logits
    monkeypatch.setattr(network, "_logits", lambda crops: seen.add(len(crops)) or logits(crops))
    crops = np.random.default_rng(0).integers(0, 256, (BATCH + 3, 227, 227, 3), dtype=np.uint8)
    five, none = network(crops)
    assert (five.shape, none.shape) == ((BATCH + 3, 5), (BATCH + 3,))
    for i in (0, BATCH + 2):
        alone, alone_none = network(crops[i : i + 1])
        np.testing.assert_array_equal(alone[0], five[i])
        np.testing.assert_array_equal(alone_none[0], none[i])
    assert seen == {BATCH}


def test_temperature_and_other_by_hand(classifier: Path) -> None:
    """Temperature 2 halves the logits; the five are normalised among themselves, `other` against all six."""
    network = TorchClassifier(classifier, "cpu")
    crop = np.full((227, 227, 3), 90, np.uint8)
    x = torch.full((1, 3, 227, 227), (90 / 255 - 0.5) / 0.5)
    logits = read_checkpoint(classifier, "classifier").network(x)[0].detach().numpy() / 2
    e = np.exp(logits)
    five, none = network([crop])
    np.testing.assert_allclose(five[0], e[:5] / e[:5].sum(), rtol=1e-2)
    assert none[0] == pytest.approx(e[5] / e.sum(), rel=1e-2)


def test_devices_that_are_not_there_are_errors() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(DeviceError, match="Unknown device 'tpu'"):
        resolve_device("tpu")
    for name in ("cpu:x", "cpu:"):
        with pytest.raises(DeviceError, match=f"Unknown device '{name}'"):
            resolve_device(name)
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match=r"cuda.* is not available.*cpu"):
            resolve_device("cuda")
        assert resolve_device("auto").type in {"cpu", "mps"}


def test_the_nets_import_no_torchvision() -> None:
    """torchvision costs two seconds of every start."""
    import subprocess
    import sys

    code = "import sys, napari_wbc.nets; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
