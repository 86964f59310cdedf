"""The running average of the weights: what is scored and kept, while training goes on with the weights themselves."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scratch_problems import batch_of, engine_of, make_setup, rate_of, train_of
from torch.optim.swa_utils import AveragedModel

from clfkit import load
from clfkit.engines.averaging import without_moments
from clfkit.engines.pytorch.engine import TorchEngine
from clfkit.errors import CheckpointError
from clfkit.evaluation import evaluate
from clfkit.experiment import resume_run
from clfkit.progress import Quiet

ENGINES = pytest.mark.parametrize("name", ["torch", "scratch"])
NETWORK = {"name": "cnn", "channels": (3,), "dense": (5,), "dropout": 0.0, "batch_norm": True}


def setup_of(**changes: Any) -> Any:
    """A small image problem with batch norm, averaged."""
    return make_setup(2, 6, 6, **{"model": NETWORK, "optimizer": "adam", "ema": 0.9, **changes})


def steps(engine: Any, setup: Any, start: int, stop: int) -> None:
    for step in range(start, stop):
        engine.train_step(batch_of(setup, step), rate_of(step), step)


@pytest.mark.parametrize("decay", [0.05, 0.6, 0.999])
def test_average_is_that_of_torch(decay: float) -> None:
    """AveragedModel with the same rule for d, whose first update only copies."""
    setup = setup_of(ema=decay)
    engine = engine_of(setup, "torch")
    assert isinstance(engine, TorchEngine)
    count = -1

    def average(averaged: list[torch.Tensor], current: list[torch.Tensor], _: Any) -> None:
        nonlocal count
        count += 1
        d = min(decay, (1 + count // 2) / (10 + count // 2))  # called for floats and for counters
        for mine, theirs in zip(averaged, current, strict=True):
            mine.copy_(d * mine + (1 - d) * theirs if mine.is_floating_point() else theirs)

    peer = AveragedModel(copy.deepcopy(engine.model), multi_avg_fn=average, use_buffers=True)
    peer.update_parameters(engine.model)
    for step in range(30):
        engine.train_step(batch_of(setup, step), rate_of(step), step)
        peer.update_parameters(engine.model)
    theirs = peer.module.state_dict()
    for key, mine in engine.model_state().items():
        if "num_batches" not in key:
            assert_allclose(mine, theirs[key].numpy(), rtol=1e-12, atol=1e-14)


@ENGINES
def test_average_by_hand(name: str) -> None:
    setup = setup_of()
    averaged, plain = engine_of(setup, name), engine_of(setup_of(ema=None), name)
    expected = plain.model_state()
    for step in range(25):
        averaged.train_step(batch_of(setup, step), rate_of(step), step)
        plain.train_step(batch_of(setup, step), rate_of(step), step)
        d = min(0.9, (1 + step) / (10 + step))
        for key, weights in plain.model_state().items():
            floats = weights.dtype.kind == "f"
            expected[key] = d * expected[key] + (1 - d) * weights if floats else weights
        if step % 6 == 0:
            averaged.score(train_of(setup))  # scoring between steps changes nothing
    for key, array in averaged.model_state().items():
        if "num_batches" not in key:
            assert_allclose(array, expected[key], rtol=1e-11, atol=1e-13)


@ENGINES
def test_training_itself_is_as_without_an_average(name: str) -> None:
    setup = setup_of()
    averaged, plain = engine_of(setup, name), engine_of(setup_of(ema=None), name)
    for step in range(12):
        mine, theirs = (each.train_step(batch_of(setup, step), rate_of(step), step) for each in (averaged, plain))
        assert float(mine.loss) == float(theirs.loss)
        averaged.predict(train_of(setup).inputs)
    kept = averaged.optimizer_state()
    for key, weights in plain.model_state().items():
        assert np.array_equal(kept[f"{key}/trained"], weights)
        assert kept[f"{key}/averagings"] == 12
    assert set(plain.optimizer_state()) == {key for key in kept if not key.endswith(("/trained", "/averagings"))}


@ENGINES
def test_average_is_what_predicts(name: str) -> None:
    setup = setup_of()
    engine = engine_of(setup, name)
    steps(engine, setup, 0, 10)
    reader = engine_of(setup_of(train=None, ema=None), name)
    reader.load_state(engine.model_state())
    split = train_of(setup)
    assert np.array_equal(engine.predict(split.inputs), reader.predict(split.inputs))
    assert engine.score(split).mean_loss == reader.score(split).mean_loss
    weights = {key[:-8]: array for key, array in engine.optimizer_state().items() if key.endswith("/trained")}
    reader.load_state(weights)
    assert not np.allclose(engine.predict(split.inputs), reader.predict(split.inputs))


@ENGINES
@pytest.mark.parametrize("other", ["torch", "scratch"])
def test_state_goes_on_where_it_was(name: str, other: str) -> None:
    setup = setup_of()
    whole, first, second = engine_of(setup, name), engine_of(setup, name), engine_of(setup, other)
    steps(whole, setup, 0, 20)
    steps(first, setup, 0, 9)
    optimizer = first.optimizer_state()  # in either order
    second.load_state(first.model_state(), optimizer)
    assert {key: array.tolist() for key, array in second.optimizer_state().items()} == {
        key: array.tolist() for key, array in optimizer.items()
    }
    steps(second, setup, 9, 20)
    for mine, theirs in (
        (second.model_state(), whole.model_state()),
        (second.optimizer_state(), whole.optimizer_state()),
    ):
        assert mine.keys() == theirs.keys()
        for key in mine:
            if name == other:
                assert np.array_equal(mine[key], theirs[key])
            else:
                assert_allclose(mine[key], theirs[key], rtol=1e-7, atol=1e-9)


@ENGINES
def test_without_an_average_training_goes_on_with_the_trained_weights(name: str) -> None:
    setup, plain = setup_of(), setup_of(ema=None)
    engine, before, after = engine_of(setup, name), engine_of(plain, name), engine_of(plain, name)
    steps(engine, setup, 0, 5)
    steps(before, plain, 0, 5)
    after.load_state(engine.model_state(), engine.optimizer_state())
    assert all(np.array_equal(array, before.model_state()[key]) for key, array in after.model_state().items())
    assert after.optimizer_state().keys() == before.optimizer_state().keys()


@ENGINES
def test_trained_weights_of_another_model_are_refused(name: str) -> None:
    setup = setup_of()
    engine = engine_of(setup, name)
    steps(engine, setup, 0, 2)
    broken = {**engine.optimizer_state(), "0.weight/trained": np.zeros(3)}
    with pytest.raises(CheckpointError, match=r"another model.*0\.weight"):
        engine.load_state(engine.model_state(), broken)


def test_weights_with_two_names_are_averaged_once() -> None:
    from clfkit.engines.pytorch.average import TorchAverage

    layer = torch.nn.Linear(2, 2, bias=False)
    model = torch.nn.Sequential(layer, layer)
    average = TorchAverage(model, 0.5)
    first = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight += 1
    average.follow()
    average.show(True)
    assert torch.allclose(layer.weight, first + 0.9)
    average.show(False)
    assert torch.equal(layer.weight, first + 1)


@ENGINES
def test_run_scores_and_keeps_the_average(laboratory: Any, name: str) -> None:
    changes = {"train.ema": 0.9, "engine": name, "train.best": "valid.accuracy"}
    run = laboratory.run(laboratory.config("digits", changes))
    record = run.history()[run.status()["best_epoch"] - 1]
    classifier = load(run.path)
    valid = classifier.bundle.valid
    found = evaluate(classifier.engine, valid, "valid", classifier.spec.classes)
    assert found.metrics["accuracy"] == record.valid_accuracy == run.status()["valid.accuracy"]
    assert classifier.engine.score(valid).mean_loss == pytest.approx(record.valid_loss)


@ENGINES
def test_average_can_be_left_out_of_the_rest_by_force(laboratory: Any, name: str) -> None:
    run = laboratory.run(laboratory.config("blobs", {"train.ema": 0.9, "engine": name, "train.epochs": 2}))
    resume_run(run, Quiet(), laboratory.config("blobs", {"engine": name}), force=True)
    assert not [key for key in run.checkpoint("last").optimizer if key.endswith("/trained")]
    whole = laboratory.run(laboratory.config("blobs", {"engine": name}))
    assert run.step_losses().tolist() == whole.step_losses().tolist()


def test_average_costs_no_import() -> None:
    """torch's own averaging, or a step of its optimizers, may bring in its compiler."""
    program = (
        "import sys, torch\n"
        "from clfkit.engines.pytorch.average import TorchAverage\n"
        "average = TorchAverage(torch.nn.Linear(2, 2), 0.9)\n"
        "average.follow(); average.show(True)\n"
        "print('torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@ENGINES
def test_another_optimizer_goes_on_with_the_trained_weights(name: str) -> None:
    setup = setup_of()
    first, second = engine_of(setup, name), engine_of(setup_of(optimizer="sgd"), name)
    steps(first, setup, 0, 6)
    second.load_state(first.model_state(), without_moments(first.optimizer_state()))
    kept, now = first.optimizer_state(), second.optimizer_state()
    both = [key for key in kept if key.endswith(("/trained", "/averagings"))]
    assert both and all(np.array_equal(kept[key], now[key]) for key in both)
    assert not any("exp_avg" in key for key in now)
