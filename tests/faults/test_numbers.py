"""Numbers that are not finite, memory that runs out, metrics without a value: named, and never trained on."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from programs import fresh

from clfkit.checkpoint import read_checkpoint
from clfkit.components import datasets, engines, losses, metrics, models, optimizers
from clfkit.data.bundle import ClassMap, Dataset, DataSpec, Split
from clfkit.engines.base import Arrays, Engine, EngineSetup
from clfkit.engines.pieces import PieceTooLarge
from clfkit.engines.scratch.network import Network
from clfkit.experiment import resume_run
from clfkit.progress import Quiet
from clfkit.registry import Component
from clfkit.run import RunDirectory
from clfkit.verifying import verify
from sameness import assert_equal

pytestmark = pytest.mark.fault("D")
matrix = pytest.mark.matrix

ENGINES = ("scratch", "torch")
WEIGHTS = {"1.weight": [[0.0] * 2] * 3, "1.bias": [0.0] * 3, "3.weight": [[1e3, 1e3, 1e3], [0, 0, 0]], "3.bias": [0, 0]}
"""Of a network of 2, 3 and 2 numbers. Whatever comes in its loss is log 2, and its gradient a thousand times that."""


def engine_on(name: str, inputs: Any, labels: Any = None, **changes: Any) -> Engine:
    """An engine with all samples of two classes in memory as they are, and a network of 2, 3 and 2 numbers."""
    values = np.asarray(inputs, np.float64)
    split = Split(values, np.arange(len(values)) % 2 if labels is None else labels, np.arange(len(values)))
    spec = DataSpec(inputs="vector", shape=(2,), classes=ClassMap(names=("a", "b")), mean=(0.0,) * 2, std=(1.0,) * 2)
    parts: dict[str, Any] = {
        "model": models.parse({"name": "mlp", "hidden": (3,), "activation": "tanh"}),
        "loss": losses.parse("cross_entropy"), "optimizer": optimizers.parse("adam"), "ema": 0.9, "batch_size": 4,
    }  # fmt: skip
    counts = split.counts(2)
    setup = EngineSetup(spec=spec, train=split, class_counts=counts, seed=1, device="cpu", threads=1, **parts | changes)
    engine: Engine = engines.build(Component(name, engines.entry(name).options()), setup)
    return engine


def state_of(engine: Engine) -> Arrays:
    return {**engine.optimizer_state(), **{f"model/{name}": array for name, array in engine.model_state().items()}}


def assert_same(one: Arrays, other: Arrays) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], name)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop", "adagrad"])
@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("name", ENGINES)
def test_no_step_is_taken_where_loss_or_gradient_are_not_finite(name: str, where: str, optimizer: str) -> None:
    """Weights, moments, counters and average stay as they were, to the bit."""
    sound, bad = [[1.0, 2.0]] * 4, [[math.nan, 1.0] if where == "loss" else [3e38, 3e38]] * 4
    engine = engine_on(name, sound + bad, optimizer=optimizers.parse({"name": optimizer}))
    assert not engine.train_step(np.arange(4), 0.01, 1).skipped
    engine.load_state({key: np.array(value, np.float32) for key, value in WEIGHTS.items()})
    before = state_of(engine)
    result = engine.train_step(np.arange(4, 8), 0.01, 2)
    assert result.skipped is True
    assert math.isfinite(float(result.loss)) == (where == "gradient")
    assert_same(state_of(engine), before)


@pytest.mark.parametrize("name", ENGINES)
def test_a_gradient_whose_square_alone_is_too_large_is_followed(name: str) -> None:
    engine = engine_on(name, [[1e30, 1e30]] * 4, optimizer=optimizers.parse("sgd"))
    engine.load_state({key: np.array(value, np.float32) for key, value in WEIGHTS.items()})
    before = state_of(engine)
    assert engine.train_step(np.arange(4), 1e-30, 1).skipped is False
    assert any((array != before[key]).any() for key, array in state_of(engine).items())


# The same through a run

CONFIG = """
name: numbers
seed: 5
engine: {engine}
data: {{name: blobs, samples: 200, classes: 3, seed: 4}}
model: {{name: mlp, hidden: [8]}}
train: {{epochs: 6, batch_size: 32, optimizer: {{name: adam, lr: 0.05}}, device: cpu, threads: 1}}
plots: []
report: false
"""


@pytest.fixture
def train(cli: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Trains on an engine through the command line; returns how that ended and the run's folder."""

    def run(engine: str, *arguments: str, run_id: str = "a") -> tuple[Any, Path]:
        (tmp_path / "numbers.yaml").write_text(CONFIG.format(engine=engine))
        done = cli("train", tmp_path / "numbers.yaml", "--out", tmp_path / "out", "--run-id", run_id, *arguments)
        return done, tmp_path / "out/numbers" / run_id

    return run


def sets(**changes: object) -> list[str]:
    return [part for key, value in changes.items() for part in ("--set", f"{key.replace('__', '.')}={value}")]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers a component for one test."""

    def add(registry: Any, name: str, function: Callable[..., Any]) -> None:
        registry.names()  # finds all others
        monkeypatch.setattr(registry, "_entries", dict(vars(registry)["_entries"]))
        registry.register(name)(function)

    return add


EXPLODING = sets(train__schedule="{name: step, step_size: 3, gamma: 1e30}")
"""Three epochs of five steps as ever, then a learning rate with which nothing stays finite."""


@pytest.mark.parametrize("engine", [pytest.param("scratch"), pytest.param("torch", marks=matrix)])
def test_a_run_that_leaves_the_finite_numbers_names_step_samples_and_rate(train: Any, engine: str) -> None:
    done, run = train(engine, *EXPLODING, "--set", "train.checkpoint_every={steps: 2}")
    found = re.search(
        r"clfkit: the (?:loss became (?:nan|inf)|gradient became .*) at step (\d+) \(epoch 4, learning rate 5e\+28, "
        r"samples (.*) and 24 more\); the last checkpoint is from step (\d+)\.",
        done.err,
    )
    assert done.code == 1 and found, done.err
    step, saved = int(found[1]), int(found[3])
    assert 15 < step <= 18 and 14 <= saved < step
    status = json.loads((run / "status.json").read_text())
    assert status["status"] == "failed" and status["reason"] in done.err
    assert [str(each) for each in status["samples"][:8]] == found[2].split(", ") and len(status["samples"]) == 32
    for kind in ("last", "best"):
        assert all(np.isfinite(array).all() for array in read_checkpoint(run / "checkpoints" / kind).model.values())
    assert not list((run / "evaluation").glob("*"))


@matrix
@pytest.mark.slow
def test_several_processes_stop_at_the_same_step(tmp_path: Path) -> None:
    (tmp_path / "numbers.yaml").write_text(CONFIG.format(engine="torch"))
    how = ("--processes", 2, *EXPLODING, "--set", "train.checkpoint_every={steps: 2}")
    done = fresh("train", "numbers.yaml", "--out", "out", "--run-id", "a", "--quiet", *how, cwd=tmp_path)
    assert done.code == 1 and not done.orphans
    found = re.findall(r"clfkit: the (?:loss became|gradient became).* at step (\d+) \(epoch 4, .* samples ", done.err)
    assert len(found) == 1, done.err
    run = RunDirectory(tmp_path / "out/numbers/a")
    assert run.status()["status"] == "failed" and len(run.status()["samples"]) == 32
    assert run.checkpoint("last").state.step < int(found[0])


@matrix
@pytest.mark.parametrize("engine", ENGINES)
def test_such_a_run_goes_on_from_its_last_checkpoint_with_another_rate(train: Any, cli: Any, engine: str) -> None:
    _, run = train(engine, *EXPLODING)
    changed = sets(train__schedule="constant")
    done = cli("train", "--resume", run, "--force", *changed)
    assert done.code == 0, done.err
    status = json.loads((run / "status.json").read_text())
    assert status["status"] == "finished" and "samples" not in status and "reason" not in status


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_is_undefined_and_never_the_best(train: Any, register: Any, value: float) -> None:
    """It is one in all epochs but the third."""
    answers = iter([0.1, 0.2, 0.3, value, value, 0.5, value, value, value])  # three are asked for before training

    def moody(predictions: Any) -> float:
        return next(answers, 0.5)

    register(metrics, "moody", moody)
    done, run = train("scratch", *sets(train__best="valid.moody", baselines="[]"))
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert done.code == 0, done.err
    assert [line["valid.moody"] for line in lines] == [None, None, 0.5, None, None, None]
    assert json.loads((run / "status.json").read_text())["best_epoch"] == 3


# Memory that runs out


def short_of_memory(monkeypatch: pytest.MonkeyPatch, engine: str, limit: int) -> None:
    """From now on only so many samples go through a network at a time, in training."""

    def torch_forward(self: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and len(x) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB\nand more")
        return torch.nn.functional.linear(x, self.weight, self.bias)

    plain = Network.forward

    def scratch_forward(self: Network, x: Any, *rest: Any) -> Any:
        if x.shape[-1] > limit:
            raise MemoryError("Unable to allocate 20. GiB")
        return plain(self, x, *rest)

    if engine == "torch":
        monkeypatch.setattr(torch.nn.Linear, "forward", torch_forward)
    else:
        monkeypatch.setattr(Network, "forward", scratch_forward)


@pytest.mark.parametrize("engine", ["scratch", pytest.param("torch", marks=matrix)])
def test_memory_that_runs_out_halves_the_pieces_of_a_batch(
    train: Any, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = train(engine, run_id="whole")
    _, asked = train(engine, *sets(train__accumulate=4), run_id="asked")
    short_of_memory(monkeypatch, engine, limit=10)
    done, run = train(engine, run_id="halved")
    assert done.code == 0, done.err
    for pieces in (2, 4):
        assert re.search(rf"out of memory \(.*20.* GiB\): batches are cut into {pieces} pieces", done.out + done.err)
    assert json.loads((run / "environment.json").read_text())["decisions"]["accumulate"] == 4
    halved = read_checkpoint(run / "checkpoints/last").model
    assert_same(halved, read_checkpoint(asked / "checkpoints/last").model)
    for name, array in read_checkpoint(whole / "checkpoints/last").model.items():
        np.testing.assert_allclose(halved[name], array, rtol=1e-3, atol=1e-4)


class ShortFrom(Quiet):
    """Memory runs out at step 4; perhaps the run ends at step 5, before anything is saved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, engine: str, stop: int | None = None) -> None:
        self.monkeypatch, self.engine, self.stop = monkeypatch, engine, stop

    def on_step(self, step: int) -> None:
        if step == 3:
            short_of_memory(self.monkeypatch, self.engine, limit=10)
        if step == self.stop:
            raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ["scratch", pytest.param("torch", marks=matrix)])
def test_a_resumed_run_cuts_its_batches_as_before_and_so_does_a_replay(
    laboratory: Any, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the same step on, though there is memory again: the sum of other pieces has other bits."""
    own = {"engine": engine, "report": False, "baselines": [], "train.checkpoint_every": {"steps": 2}}
    config = laboratory.config("blobs", own)
    with monkeypatch.context() as patch:
        whole = laboratory.run(config, ShortFrom(patch, engine), "whole")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        laboratory.run(config, ShortFrom(patch, engine, stop=5), "stopped")
    run = RunDirectory(laboratory.out / "tiny/stopped")
    assert run.checkpoint("last").state.step == 4
    (run.path / "checkpoints/last").rename(run.path / "checkpoints/lost")  # as if step 2 had been the last one saved
    (run.path / "checkpoints/previous").rename(run.path / "checkpoints/last")
    resume_run(run, Quiet())
    assert_equal(run, whole)
    pieces = whole.status()["pieces"]
    assert run.status()["pieces"] == pieces and [*pieces] == ["4"]
    resumed = json.loads((run.path / "environment.json").read_text())["resumed"]
    assert [each["decisions"]["accumulate"] for each in resumed] == [*pieces.values()]
    assert verify(run, Quiet()).reproducible


@pytest.mark.parametrize("limit", [0, pytest.param(1, marks=matrix)])
@pytest.mark.parametrize("engine", ["scratch", pytest.param("torch", marks=matrix)])
def test_memory_for_less_than_can_be_trained_on_ends_the_run(
    train: Any, engine: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sample by itself is more than there is room for, or than batch norm can take."""
    short_of_memory(monkeypatch, engine, limit)
    more = sets(model__norm="batch") if limit else ()
    done, run = train(engine, *sets(train__batch_size=20), *more)
    assert done.code == 1
    assert re.search(
        r"^clfkit: out of memory: .*; a smaller train.batch_size, or train.accumulate, takes", done.err, re.MULTILINE
    )
    assert json.loads((run / "status.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("name", ENGINES)
def test_a_batch_that_does_not_fit_has_changed_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_on(name, [[1.0, 2.0]] * 4)
    engine.train_step(np.arange(4), 0.01, 1)
    before = state_of(engine)
    short_of_memory(monkeypatch, name, limit=2)
    with pytest.raises(PieceTooLarge):
        engine.train_step(np.arange(4), 0.01, 2)
    assert_same(state_of(engine), before)
    assert engine.pieces.double(4, {})
    assert engine.train_step(np.arange(4), 0.01, 2).skipped is False


# What is found before training


TABLE = "one,two,label,part\n" + "".join(f"{i % 7},{i % 5},{'ab'[i % 2]},train\n" for i in range(40))


@pytest.mark.parametrize(
    ("rows", "undefined", "line"),
    [
        ("1,2,a,test\n3,1,a,test\n", {"roc_auc", "kappa"}, "2 test samples"),
        ("1,2,a,valid\n3,1,a,valid\n1,1,a,test\n2,1,b,test\n", set(), "1 class has no valid sample, such as 'b'"),
    ],
)
def test_metrics_without_a_value_are_told_as_such(
    cli: Any, tmp_path: Path, rows: str, undefined: set[str], line: str
) -> None:
    (tmp_path / "t.csv").write_text(TABLE + rows)
    (tmp_path / "t.yaml").write_text(
        f"name: t\nengine: scratch\ndata: {{name: table, root: {tmp_path}/t.csv, split_column: part}}\n"
        "model: logistic\ntrain: {epochs: 2, threads: 1}\nplots: []\nreport: false\n"
    )
    done = cli("train", tmp_path / "t.yaml", "--out", tmp_path / "out", "--run-id", "a")
    assert done.code == 0, done.err
    part = "test" if undefined else "valid"
    found = json.loads((tmp_path / f"out/t/a/evaluation/{part}.json").read_text())
    assert undefined <= {name for name, value in found["metrics"].items() if value is None}
    assert found["classes"]["b"]["recall"] is None and found["classes"]["b"]["support"] == 0
    shown = cli("eval", "--checkpoint", tmp_path / "out/t/a", "--split", part).out
    assert re.search(r"^b +\S+ +– ", shown, re.MULTILINE), shown
    assert line in done.out + done.err


@pytest.mark.parametrize("engine", ["scratch", pytest.param("torch", marks=matrix)])
@pytest.mark.parametrize("size", [1, 3, pytest.param(45, marks=matrix)])
def test_one_sample_by_itself_is_refused_where_there_is_batch_norm(train: Any, engine: str, size: int) -> None:
    done, run = train(engine, *sets(model__norm="batch", train__batch_size=size, data__samples=130))
    assert done.code == 2 and not run.exists()
    assert re.search(r"^clfkit: train\.batch_size: .* leave one sample by itself, which .*", done.err)


def _mislabelled(labels: Any) -> Callable[..., Dataset]:
    def source(seed: int) -> Dataset:
        inputs = np.random.default_rng(seed).normal(size=(len(labels), 2))
        return Dataset(inputs, np.asarray(labels), ClassMap(names=("a", "b")), "vector", ("x", "y"))

    return source


@pytest.mark.parametrize("labels", [[0, 1] * 20 + [2], [0, 1] * 20 + [-1], [0.0, 1.0] * 20])
def test_labels_that_are_no_class_are_refused(train: Any, register: Any, labels: list[float]) -> None:
    register(datasets, "mislabelled", _mislabelled(labels))
    done, run = train("scratch", "--set", "data={name: mislabelled}")
    assert done.code == 1 and not run.exists()
    assert re.search(r"^clfkit: a source must return (labels from 0 to 1|one whole number as label)", done.err)


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_class_that_training_never_sees_is_refused(train: Any, register: Any, part: str) -> None:
    def source(seed: int) -> Dataset:
        labels = np.array([0, 1] * 20 + [2])
        given = {"train": np.arange(30), part: np.arange(30, 41)}
        classes = ClassMap(names=("a", "b", "c"))
        return Dataset(np.ones((41, 2)), labels, classes, "vector", ("x", "y"), given=given)  # type: ignore[arg-type]

    register(datasets, "unlearned", source)
    done, run = train("scratch", "--set", "data={name: unlearned}")
    assert done.code == 1 and not run.exists()
    assert f"data: the {part} part has classes that the train part does not have: 'c'" in done.err
