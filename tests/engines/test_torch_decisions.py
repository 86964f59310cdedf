"""What the torch engine decides for speed changes the time and nothing else."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import PositiveFloat

from clfkit.components import engines, losses, models, optimizers
from clfkit.data.bundle import ClassMap, DataSpec, Split
from clfkit.data.loading import Selection
from clfkit.engines.base import Engine, EngineSetup
from clfkit.engines.pytorch.device import choose_device, choose_precision, default_generator
from clfkit.errors import ModelError, UsageError
from clfkit.registry import Component
from clfkit.world import World
from import_probe import run_probed

SAMPLES, BATCH = 48, 16
CPU = torch.device("cpu")


def make_setup(channels: int = 3, **changes: Any) -> EngineSetup:
    """Small images of three classes and a network with two blocks."""
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 256, (SAMPLES, channels, 8, 8)).astype(np.uint8)
    train = Split(pixels, generator.integers(0, 3, SAMPLES), np.arange(SAMPLES))
    spec = DataSpec(
        inputs="image", shape=(channels, 8, 8), classes=ClassMap(names=("a", "b", "c")),
        mean=(127.0,) * channels, std=(70.0,) * channels,
    )  # fmt: skip
    setup = EngineSetup(
        spec=spec, model=models.parse({"name": "cnn", "channels": (4, 8), "dense": (8,), "dropout": 0.2}),
        loss=losses.parse("cross_entropy"), optimizer=optimizers.parse("adam"), train=train,
        class_counts=train.counts(3), seed=2, batch_size=BATCH, device="cpu", threads=1,
    )  # fmt: skip
    return dataclasses.replace(setup, **changes)


def build(setup: EngineSetup) -> Engine:
    engine: Engine = engines.build(Component("torch", engines.entry("torch").options()), setup)
    return engine


def train(engine: Engine, steps: range = range(6)) -> None:
    with engine.at_work():
        for step in steps:
            at = np.random.default_rng(step).permutation(SAMPLES)[:BATCH]
            engine.train_step(at, 1e-2, step)


def trained(setup: EngineSetup) -> Engine:
    engine = build(setup)
    train(engine)
    return engine


@pytest.mark.parametrize("channels", [1, 3])
def test_layout_of_images_changes_rounding_only(channels: int) -> None:
    last = trained(make_setup(channels, precision="fp64", channels_last=True)).model_state()
    first = trained(make_setup(channels, precision="fp64", channels_last=False)).model_state()
    for name, array in first.items():
        assert_allclose(last[name], array, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("optimizer", ["adam", {"name": "sgd", "momentum": 0.9}, "rmsprop", "adagrad"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_state_put_back_goes_on_to_the_bit(optimizer: Any, channels_last: bool) -> None:
    """Moments must be laid out in memory as the weights are: a fused step goes through both as they lie."""
    setup = make_setup(optimizer=optimizers.parse(optimizer), channels_last=channels_last)
    straight = trained(setup)
    broken = build(setup)
    train(broken, range(3))
    resumed = build(setup)
    resumed.load_state(broken.model_state(), broken.optimizer_state())
    train(resumed, range(3, 6))
    for name, array in straight.model_state().items():
        assert_array_equal(resumed.model_state()[name], array, err_msg=name)


def test_residence_of_samples_changes_nothing() -> None:
    lying, fetched = trained(make_setup(resident=True)), trained(make_setup(resident=False))
    assert lying.decisions["samples"] == "resident" and fetched.decisions["samples"] == "a batch at a time"
    for name, array in lying.model_state().items():
        assert_array_equal(fetched.model_state()[name], array, err_msg=name)


@pytest.mark.parametrize("name", ["torch", "scratch"])
def test_evaluating_is_predicting_and_scoring_in_one_pass(name: str) -> None:
    engine: Engine = engines.build(Component(name, engines.entry(name).options()), make_setup())
    train(engine, range(2))
    split = make_setup().train
    assert split is not None
    probabilities, totals = engine.evaluate(split)
    assert_array_equal(probabilities, engine.predict(split.inputs))
    scored = engine.score(split)
    assert_array_equal(totals.loss, scored.loss)
    assert totals.accuracy == scored.accuracy == (probabilities.argmax(axis=1) == split.labels).mean()


@pytest.mark.parametrize(
    ("able", "expected"), [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({}, "fp32")]
)
def test_precision_follows_the_processor(able: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert choose_precision(make_setup(precision="auto"), CPU) == expected
    assert choose_precision(make_setup(), CPU) == "fp32"
    vectors = dataclasses.replace(make_setup(precision="auto"))
    spec = vectors.spec.model_copy(update={"inputs": "vector", "shape": (4,)})
    assert choose_precision(dataclasses.replace(vectors, spec=spec), CPU) == "fp32"


def test_the_generator_is_that_of_the_processs_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    generators = tuple(torch.Generator() for _ in range(3))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 2)
    monkeypatch.setattr(torch.cuda, "default_generators", generators)
    assert default_generator(torch.device("cuda")) is generators[2]
    assert default_generator(torch.device("cuda", 0)) is generators[0]
    assert default_generator(torch.device("cuda", 1)) is generators[1]


@pytest.mark.parametrize(
    ("mine", "others", "count"), [("a", ["a"], 1), ("a", ["b", "b"], 2), ("a", ["b"], None), ("", [""], None)]
)
def test_processes_do_not_share_a_gpu(
    mine: str, others: list[str], count: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Several(World):
        size = 1 + len(others)

        def gather(self, array: Any) -> list[Any]:
            return [array, *(np.frombuffer(other.encode(), np.uint8) for other in others)]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(mine))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=mine))
    if count is None:
        choose_device("cuda" if mine else "cpu", Several())
    else:
        with pytest.raises(UsageError, match=rf"^{Several.size} processes on {count} GPUs?: each needs one of its own"):
            choose_device("auto", Several())
    if mine:
        assert choose_device("auto", World()).type == "cuda"


def test_low_precision_learns_the_same_problem() -> None:
    """bf16 has eight bits of mantissa: the losses agree to about a hundredth, not more."""
    setup = make_setup(model=models.parse({"name": "cnn", "channels": (4, 8), "dense": (8,), "dropout": 0.0}))
    exact, low = trained(setup), trained(dataclasses.replace(setup, precision="bf16"))
    assert setup.train is not None
    assert exact.decisions["precision"] == "fp32" and low.decisions["precision"] == "bf16"
    assert low.score(setup.train).mean_loss == pytest.approx(exact.score(setup.train).mean_loss, rel=0.03)
    assert all(array.dtype == np.float32 for array in low.model_state().values())


def test_training_does_not_import_the_compiler(tmp_path: Path) -> None:
    """torch.optim imports `torch._dynamo` at its first step, for longer than a small run takes."""
    config = tmp_path / "tiny.yaml"
    config.write_text(
        "name: tiny\nengine: torch\ndata: {name: digits, split: {valid: 0.1}}\nmodel: {name: cnn, channels: [2]}\n"
        "train: {epochs: 1, optimizer: {name: adamw, lr: 0.01}}\nplots: []\n"
    )
    done = run_probed(["torch._dynamo"], "train", config, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "LOADED []"


def flat(view: bool) -> Any:
    """A network that flattens with `view`, as many do, which images laid out channels last have no use for."""

    class Flat(torch.nn.Module):
        def __init__(self, outputs: int) -> None:
            super().__init__()
            self.convolution = torch.nn.Conv2d(3, 4, 3)
            self.dense = torch.nn.Linear(4 * 36, outputs)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found = self.convolution(x)
            result: torch.Tensor = self.dense(found.view(len(x), -1) if view else found.flatten(1))
            return result

    def build_flat(spec: DataSpec, outputs: int) -> torch.nn.Module:
        """Flattens after a convolution."""
        return Flat(outputs)

    return build_flat


@pytest.mark.parametrize(("view", "channels"), [(True, "first"), (False, "last")])
def test_network_that_cannot_take_the_layout_keeps_its_own(
    view: bool, channels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_entries", dict(models._entries))
    models.register("flat", inputs="image")(flat(view))
    setup = make_setup(model=models.parse("flat"))
    engine = trained(setup)
    assert engine.decisions["channels"] == channels
    if view:
        with pytest.raises(ModelError, match=r"train\.channels_last: model 'flat' does not take it: view size"):
            build(dataclasses.replace(setup, channels_last=True))


def clamped(weights: list[torch.nn.Parameter]) -> None:
    with torch.no_grad():
        for weight in weights:
            weight.clamp_(-0.01, 0.01)


@pytest.mark.parametrize("how", ["subclass", "hook", "own attribute"])
def test_optimizers_of_ones_own_keep_what_they_wrap_around_a_step(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clamping(torch.optim.SGD):
        @functools.wraps(torch.optim.SGD.step)
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            super().step()
            clamped([p for group in self.param_groups for p in group["params"]])

    def make(groups: Any, *, lr: PositiveFloat = 0.1) -> torch.optim.Optimizer:
        """Keeps weights small."""
        if how == "subclass":
            return Clamping(groups, lr)
        plain = torch.optim.SGD(groups, lr)
        parameters = [p for group in plain.param_groups for p in group["params"]]
        if how == "hook":
            plain.register_step_post_hook(lambda *_: clamped(parameters))
        else:
            step = plain.step
            plain.step = lambda closure=None: (step(), clamped(parameters))  # type: ignore[method-assign, assignment]
        return plain

    monkeypatch.setattr(optimizers, "_entries", dict(optimizers._entries))
    optimizers.register("clamping")(make)
    engine = trained(make_setup(optimizer=optimizers.parse("clamping")))
    assert all(np.abs(array).max() <= 0.01 for array in engine.model_state().values())


def test_images_outside_memory_cannot_be_resident() -> None:
    setup = make_setup(resident=True)
    assert setup.train is not None
    files = Selection(np.asarray(setup.train.inputs), np.arange(SAMPLES))
    with pytest.raises(UsageError, match=r"train\.resident: the images do not fit into data\.memory"):
        build(dataclasses.replace(setup, train=dataclasses.replace(setup.train, inputs=files)))
