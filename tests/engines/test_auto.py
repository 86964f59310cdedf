"""`engine: auto` takes the NumPy engine where steps are small and it has everything, and torch elsewhere."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from clfkit import load
from clfkit.classifier import build_engine
from clfkit.components import engines
from clfkit.data.loading import load_bundle
from clfkit.engines.auto import choose_engine
from clfkit.engines.base import EngineSetup
from clfkit.world import World
from import_probe import run_probed


def setup_of(laboratory: Any, base: str = "blobs", **changes: Any) -> EngineSetup:
    """What the engine of a tiny experiment is built from; options as `train__precision="bf16"`."""
    config = laboratory.config(base, {key.replace("__", "."): value for key, value in changes.items()})
    bundle = load_bundle(config.data, config.data_seed)
    train = config.train
    return EngineSetup(
        spec=bundle.spec, model=config.model, loss=train.loss, optimizer=train.optimizer, train=bundle.train,
        class_counts=bundle.train.counts(len(bundle.spec.classes)), seed=config.seed, batch_size=train.batch_size,
        device=train.device, precision=train.precision, threads=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("base", "changes", "choice"),
    [
        ("blobs", {}, ("scratch", "small steps")),
        ("moons", {"train__device": "auto", "train__precision": "fp64"}, ("scratch", "small steps")),
        ("blobs", {"model": "logistic", "train__optimizer": "rmsprop"}, ("scratch", "small steps")),
        ("blobs", {"model__hidden": [550, 550]}, ("scratch", "small steps")),  # 9.8 million multiplications
        ("blobs", {"model__hidden": [560, 560]}, ("torch", "1.0e+07 multiplications a step")),
        ("blobs", {"model__hidden": [560, 560], "train__batch_size": 16}, ("scratch", "small steps")),
        ("digits", {}, ("torch", "images")),
        ("blobs", {"train__precision": "bf16"}, ("torch", "precision bf16")),
        ("blobs", {"train__device": "cuda"}, ("torch", "device cuda")),
    ],
)
def test_choice(laboratory: Any, base: str, changes: dict[str, Any], choice: tuple[str, str]) -> None:
    setup = setup_of(laboratory, base, **changes)
    assert choose_engine(setup) == choice
    predicting = dataclasses.replace(setup, train=None, fresh=False)
    assert choose_engine(predicting) == choice


def test_several_processes_take_torch(laboratory: Any) -> None:
    world = World()
    world.size = 2
    assert choose_engine(dataclasses.replace(setup_of(laboratory), world=world)) == ("torch", "2 processes")


@pytest.mark.parametrize(("width", "name"), [(8, "scratch"), (560, "torch")])
def test_engine_is_the_one_chosen(laboratory: Any, width: int, name: str) -> None:
    setup = setup_of(laboratory, model__hidden=[width, width])
    chosen, named = (engines.build(engines.parse(each), setup) for each in ("auto", name))
    assert type(chosen) is type(named)
    assert chosen.decisions.pop("engine").startswith(f"{name} (auto: ")
    assert chosen.decisions == named.decisions


@pytest.mark.parametrize("batch_size", [32, "full"])
def test_prediction_takes_the_engine_that_trained(laboratory: Any, batch_size: int | str) -> None:
    """250 × 250 weights: few multiplications for 32 samples, ten million for all 160 of the train split."""
    changes = {
        "engine": "auto", "model.hidden": [250, 250], "data.split.valid": 20, "data.split.test": 20,
        "train.batch_size": batch_size, "train.epochs": 1,
    }  # fmt: skip
    run = laboratory.run(laboratory.config("blobs", changes))
    environment = run.environment()
    assert environment is not None
    name = "torch" if batch_size == "full" else "scratch"
    assert environment["decisions"]["engine"].startswith(name)
    assert type(load(run.path).engine).__name__ == f"{name.capitalize()}Engine"


PLUGIN = """
from clfkit.components import optimizers

@optimizers.register("torch_alone")
def torch_alone(groups, *, lr: float = 0.1):
    "Known to torch only."
    import torch
    return torch.optim.SGD(groups, lr=lr)
"""


def test_component_that_only_torch_has(laboratory: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    done = run_probed(
        ("torch",), "train", laboratory.file(), "--set", "engine=auto", "--set", "train.optimizer=torch_alone",
        "--set", "train.epochs=1", "--plugin", "mine.py", "--out", "out", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "engine torch (auto: optimizer torch_alone)" in done.stderr


def test_prediction_on_another_device_keeps_the_engine(laboratory: Any) -> None:
    """A small network that trained on a GPU trained on torch; where there is none, torch predicts on the processor."""
    setup = setup_of(laboratory, train__device="cuda")
    spec, counts = setup.spec, tuple(map(int, setup.class_counts))
    trained_there = laboratory.config("blobs", {"engine": "auto", "train.device": "cuda"})
    assert type(build_engine(trained_there, spec, counts)).__name__ == "TorchEngine"
    trained_here = laboratory.config("blobs", {"engine": "auto"})
    assert type(build_engine(trained_here, spec, counts)).__name__ == "ScratchEngine"
