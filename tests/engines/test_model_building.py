"""How the torch engine builds models: within bounds, from files only when it must, and with which weight decay."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from torch import nn

from clfkit.components import losses, models, optimizers
from clfkit.data.bundle import ClassMap, DataSpec, Split
from clfkit.engines.base import EngineSetup
from clfkit.engines.pytorch.building import build_model
from clfkit.engines.pytorch.engine import TorchEngine
from clfkit.engines.pytorch.optimizing import parameter_groups
from clfkit.engines.pytorch.state import from_arrays
from clfkit.errors import CheckpointError, ModelError, UsageError
from clfkit.options import FirstWeights
from clfkit.vision import torchvision


def make_setup(model: Any, *shape: int, **changes: Any) -> EngineSetup:
    inputs = np.random.default_rng(0).integers(0, 255, (12, *shape), np.uint8)
    spec = DataSpec(
        inputs="image" if len(shape) == 3 else "vector", shape=shape, classes=ClassMap(names=("a", "b", "c")),
        mean=(100.0,) * shape[0], std=(50.0,) * shape[0],
    )  # fmt: skip
    train = Split(inputs if len(shape) == 3 else inputs.astype(np.float32), np.arange(12) % 3, np.arange(12))
    setup = EngineSetup(
        spec=spec, model=models.parse(model), loss=losses.parse("cross_entropy"), optimizer=optimizers.parse("sgd"),
        train=train, class_counts=train.counts(3), seed=1, batch_size=6, device="cpu", threads=1,
    )  # fmt: skip
    return dataclasses.replace(setup, **changes)


# Models that cannot be


@pytest.mark.parametrize("width", [10**6, 2**40, 2**62, 10**30])
def test_model_beyond_memory_is_an_expected_error(width: int) -> None:
    with pytest.raises(ModelError, match=r"model 'mlp' on inputs of shape \(4,\)") as refused:
        TorchEngine(make_setup({"name": "mlp", "hidden": (width, width)}, 4))
    assert "\n" not in str(refused.value)


def test_image_that_is_too_small_is_an_expected_error() -> None:
    network = {"name": "custom_head", "backbone": {"name": "squeezenet1_1"}}
    with pytest.raises(ModelError, match=r"'squeezenet1_1' on inputs of shape \(1, 8, 8\): .*Output size is too small"):
        build_model(make_setup(network, 1, 8, 8), 3)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (nn.Linear(4, 2), r"must return logits \(N, 3\); for 2 samples of shape \(4,\) it returns \(2, 2\)"),
        (nn.Sequential(nn.Linear(4, 3), nn.Flatten(0)), r"it returns \(6,\)"),
        (nn.LSTM(4, 3), "it returns no tensor"),
        (nn.Linear(5, 3), r"on inputs of shape \(4,\): mat1 and mat2 shapes cannot be multiplied"),
        (nn.Module(), "forward"),
    ],
)
def test_network_of_ones_own_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, network: nn.Module, reason: str
) -> None:
    monkeypatch.setattr(models, "build", lambda *_: network)
    with pytest.raises(ModelError, match=f"model 'logistic'.*{reason}"):
        build_model(make_setup("logistic", 4), 3)


def test_bug_in_a_network_of_ones_own_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + None  # type: ignore[operator]

    monkeypatch.setattr(models, "build", lambda *_: Wrong())
    with pytest.raises(TypeError, match="unsupported operand"):
        build_model(make_setup("logistic", 4), 3)


def test_trial_draws_nothing_from_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    class Noisy(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x + torch.rand_like(x))

    monkeypatch.setattr(models, "build", lambda *_: Noisy(4, 3))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    build_model(make_setup("logistic", 4), 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_frozen_backbone_keeps_its_statistics_from_the_first_step_on() -> None:
    network = {"name": "custom_head", "backbone": {"name": "conv", "channels": (2, 3)}, "freeze": True}
    engine = TorchEngine(make_setup(network, 1, 8, 8))
    before = engine.model_state()
    engine.train_step(np.arange(6), 0.1, 0)
    after = engine.model_state()
    same = {name for name in before if np.array_equal(before[name], after[name])}
    assert same == {name for name in before if name.startswith("backbone.")}


@pytest.mark.parametrize(("unfreeze_at", "refused"), [(None, False), (2, True)])
def test_lone_sample_is_refused_for_what_learns_later(unfreeze_at: int | None, refused: bool) -> None:
    network = {"name": "custom_head", "backbone": {"name": "resnet_small", "channels": (2, 3, 4)}, "freeze": True}
    setup = make_setup({**network, "unfreeze_at": unfreeze_at}, 1, 4, 4, batch_size=11)
    if refused:
        with pytest.raises(UsageError, match="leave one sample by itself, which this model cannot train on"):
            TorchEngine(setup)
    else:
        TorchEngine(setup)


# Weights from files


@pytest.fixture
def backbone(tmp_path: Path) -> dict[str, Any]:
    """A model with a backbone whose weights lie in a file: all of them 0.125."""
    from safetensors.torch import save_file

    state = torchvision().models.get_model("squeezenet1_1", weights=None).state_dict()
    save_file({name: torch.full_like(tensor, 0.125) for name, tensor in state.items()}, tmp_path / "w.safetensors")
    return {"name": "custom_head", "backbone": {"name": "squeezenet1_1", "weights": str(tmp_path / "w.safetensors")}}


def test_training_from_nothing_starts_at_the_weights_of_the_file(backbone: dict[str, Any], tmp_path: Path) -> None:
    state = TorchEngine(make_setup(backbone, 3, 32, 32)).model_state()
    assert all((array == 0.125).all() for name, array in state.items() if name.startswith("backbone."))
    (tmp_path / "w.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        TorchEngine(make_setup(backbone, 3, 32, 32))


@pytest.mark.parametrize("changes", [{"train": None}, {"fresh": False}])
def test_checkpoint_needs_no_other_file(backbone: dict[str, Any], tmp_path: Path, changes: dict[str, Any]) -> None:
    trained = TorchEngine(make_setup(backbone, 3, 32, 32)).model_state()
    (tmp_path / "w.safetensors").unlink()
    engine = TorchEngine(make_setup(backbone, 3, 32, 32, **changes))
    engine.load_state(trained)
    assert all(np.array_equal(array, trained[name]) for name, array in engine.model_state().items())


def test_only_what_is_marked_is_left_out_for_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str | None, str | None]] = []

    def weighted(
        spec: DataSpec, outputs: int, *, weights: str | None = None, start: Annotated[str | None, FirstWeights()] = None
    ) -> nn.Module:
        """A network with an option of its own called `weights`, which is no file."""
        given.append((weights, start))
        return nn.Linear(4, outputs)

    monkeypatch.setattr(models, "_entries", dict(models._entries))
    models.register("weighted")(weighted)
    network = {"name": "weighted", "weights": "squared", "start": "first.pth"}
    for changes in ({}, {"train": None}, {"fresh": False}):
        TorchEngine(make_setup(network, 4, **changes))
    assert given == [("squared", "first.pth"), ("squared", None), ("squared", None)]


def test_checkpoint_needs_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    network = {"name": "custom_head", "backbone": {"name": "squeezenet1_1", "weights": "default"}}
    TorchEngine(make_setup(network, 3, 32, 32, train=None))


def test_arrays_of_another_kind_are_refused() -> None:
    model = nn.BatchNorm1d(3)
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    with pytest.raises(CheckpointError, match="'weight' holds int64, the model float32"):
        from_arrays(model, {**state, "weight": np.ones(3, np.int64)})
    with pytest.raises(CheckpointError, match="'num_batches_tracked' holds float64, the model int64"):
        from_arrays(model, {**state, "num_batches_tracked": np.zeros(())})


# Threads


def test_threads_are_those_of_the_program_but_at_work() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        engine = TorchEngine(make_setup("logistic", 4, threads=1))
        engine.predict(np.zeros((3, 4), np.float32))
        assert (torch.get_num_threads(), engine.decisions["threads"]) == (2, 1)
        with engine.at_work():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# Weight decay


def free_names(model: nn.Module) -> set[str]:
    _, free = parameter_groups(make_setup("logistic", 4), model)
    return {name for name, parameter in model.named_parameters() if any(parameter is other for other in free)}


def test_scales_of_convnext_are_not_decayed() -> None:
    model = torchvision().models.get_model("convnext_tiny", weights=None)
    kernels = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))}
    names = {name for name, _ in model.named_parameters()}
    assert any(name.endswith("layer_scale") for name in names)
    assert free_names(model) == names - kernels


def test_matrices_of_one_row_or_column_are_decayed() -> None:
    assert free_names(nn.Sequential(nn.Linear(5, 1), nn.Linear(1, 5))) == {"0.bias", "1.bias"}
    assert free_names(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(8, 1, 1, bias=False))) == {"0.bias"}


def test_normalisation_of_any_shape_is_not_decayed() -> None:
    model = nn.Sequential(
        nn.LayerNorm((3, 4, 4)), nn.BatchNorm2d(3), nn.GroupNorm(1, 3), nn.InstanceNorm2d(3, affine=True)
    )
    assert free_names(model) == {f"{layer}.{name}" for layer in range(4) for name in ("weight", "bias")}
