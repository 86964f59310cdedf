"""The NumPy engine keeps the Engine protocol: scores, states, errors; and it takes samples as they come."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_torch import Array
from scratch_problems import batch_of, engine_loop, make_setup, network_beside, scratch_of, standardised, train_of
from threadpoolctl import threadpool_info, threadpool_limits

from clfkit.data.bundle import IndexArray, Split
from clfkit.engines.base import Totals
from clfkit.engines.scratch.engine import ScratchEngine
from clfkit.errors import CheckpointError, DataError, ModelError, UsageError

IMAGE = (2, 7, 6)
CNN = {"name": "cnn", "channels": (3, 4), "dense": (5,), "batch_norm": True}
NORMED = {"name": "mlp", "hidden": (6,), "norm": "batch"}


def assert_same(mine: dict[str, Array], theirs: dict[str, Array]) -> None:
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        assert_array_equal(array, theirs[name], err_msg=name)


# Samples


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("shape", [(4,), IMAGE])
def test_inputs_are_standardised_with_the_statistics_of_the_spec(shape: tuple[int, ...], dtype: type) -> None:
    """In evaluation of a network that only has one dense layer, so that its weights show what went in."""
    setup = make_setup(*shape, model="logistic")
    engine = scratch_of(setup)
    inputs = np.abs(10 * np.asarray(train_of(setup).inputs)).astype(dtype)
    mean, std = (np.array(each).reshape(-1, *[1] * (len(shape) - 1)) for each in (setup.spec.mean, setup.spec.std))
    x = ((inputs - mean) / std).reshape(len(inputs), -1)
    state = engine.model_state()
    logits = x @ state["1.weight"].T + state["1.bias"]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert_allclose(engine.predict(inputs), shares / shares.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-6)


def test_large_numbers_are_standardised_before_they_are_rounded() -> None:
    """Timestamps around 1.7e9 differ by less than float32 can tell before their mean is gone."""
    rng = np.random.default_rng(1)
    stamps = 1.7e9 + rng.normal(size=(50, 1))
    setup = make_setup(1, model="logistic", precision="fp32")
    spec = setup.spec.model_copy(update={"mean": (1.7e9,), "std": (1.0,)})
    engine = scratch_of(make_setup(1, model="logistic", precision="fp32", spec=spec))
    assert len(np.unique(engine.predict(stamps)[:, 0])) > 45


class OnDisk:
    """Samples that are read when they are asked for."""

    def __init__(self, samples: Array) -> None:
        self.samples, self.asked = samples, 0
        self.shape, self.dtype = samples.shape, samples.dtype

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, indices: IndexArray) -> Array:
        self.asked += len(indices)
        read: Array = self.samples[indices]
        return read


@pytest.mark.parametrize("batch_size", [16, 40])
def test_samples_outside_memory_are_read_a_batch_at_a_time(batch_size: int) -> None:
    setup = make_setup(*IMAGE, model=CNN, batch_size=batch_size)
    split = train_of(setup)
    lazy = OnDisk(np.asarray(split.inputs))
    away = make_setup(*IMAGE, model=CNN, batch_size=batch_size, train=Split(lazy, split.labels, split.ids))
    mine, theirs = engine_loop(away, scratch_of(away), 7), engine_loop(setup, scratch_of(setup), 7)
    assert lazy.asked == sum(len(batch_of(setup, step)) for step in range(7))
    assert mine.losses == theirs.losses
    assert_same(mine.state, theirs.state)


def test_scoring_between_steps_changes_no_step() -> None:
    """Training and evaluation use the same memory for batches of other sizes."""
    setup = make_setup(*IMAGE, model=CNN)
    engine, other = scratch_of(setup), scratch_of(setup)
    split = train_of(setup)
    part = Split(np.asarray(split.inputs)[:11], split.labels[:11], split.ids[:11])
    for step in range(6):
        for each in (split, part):
            engine.score(each)
        engine.predict(part.inputs)
        at = batch_of(setup, step)
        assert engine.train_step(at, 0.05, step) == other.train_step(at, 0.05, step)
    assert_same(engine.model_state(), other.model_state())


# Scores and predictions


@pytest.mark.parametrize(("shape", "model"), [((4,), NORMED), (IMAGE, CNN)])
def test_scores_agree_with_predictions(shape: tuple[int, ...], model: Any) -> None:
    setup = make_setup(*shape, model=model)
    engine, split = scratch_of(setup), train_of(setup)
    engine_loop(setup, engine, 5)
    probabilities = engine.predict(split.inputs)
    assert probabilities.shape == (len(split), 3) and probabilities.dtype == np.float32
    assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    totals = engine.score(split)
    assert totals.accuracy == (probabilities.argmax(axis=1) == split.labels).mean()
    chosen = probabilities[np.arange(len(split)), split.labels]
    assert totals.mean_loss == pytest.approx(-np.log(chosen).mean(), rel=1e-5)
    assert engine.predict(np.empty((0, *shape), np.float32)).shape == (0, 3)


def test_evaluation_in_several_batches_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = make_setup(loss={"name": "cross_entropy", "class_weights": {"a": 3.0}})
    engine, split = scratch_of(setup), train_of(setup)
    whole, probabilities = engine.score(split), engine.predict(split.inputs)
    monkeypatch.setattr("clfkit.engines.scratch.engine.EVALUATION_NUMBERS", 17 * 4)
    cut = engine.score(split)
    assert len(whole.loss) == 1 and cut.count.tolist() == [17, 17, 6]
    assert cut.mean_loss == pytest.approx(whole.mean_loss, rel=1e-14)
    assert cut.accuracy == whole.accuracy
    assert_allclose(engine.predict(split.inputs), probabilities, rtol=1e-6)


def test_steps_report_the_loss_before_the_step() -> None:
    setup = make_setup()
    engine, split = scratch_of(setup), train_of(setup)
    expected = engine.score(split)
    totals = engine.read([engine.train_step(np.arange(len(split)), 0.1, 0)])
    assert totals.mean_loss == pytest.approx(expected.mean_loss, rel=1e-14)
    assert totals.accuracy == expected.accuracy
    assert engine.score(split).mean_loss < expected.mean_loss
    assert engine.read([]).arrays().keys() == Totals.of({}).arrays().keys()


def test_whole_split_in_any_order_is_the_same_batch() -> None:
    setup = make_setup()
    one, other = scratch_of(setup), scratch_of(setup)
    order = np.random.default_rng(1).permutation(40)
    one.train_step(np.arange(40), 0.1, 0)
    other.train_step(order, 0.1, 0)
    for name, array in one.model_state().items():
        assert_allclose(other.model_state()[name], array, rtol=1e-12, err_msg=name)


# States


@pytest.mark.parametrize("model", [NORMED, {"name": "mlp", "hidden": (6,), "norm": "layer", "activation": "gelu"}])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adagrad", "rmsprop"])
def test_single_precision_all_through(model: Any, optimizer: str) -> None:
    single = make_setup(model=model, optimizer=optimizer, precision="fp32")
    double = make_setup(model=model, optimizer=optimizer)
    engine, exact = scratch_of(single), scratch_of(double)
    mine, theirs = engine_loop(single, engine, 10), engine_loop(double, exact, 10)
    assert_allclose(mine.losses, theirs.losses, rtol=1e-3)
    for setup_dtype, each in (("float32", engine), ("float64", exact)):
        arrays = {**each.model_state(), **each.optimizer_state()}
        moments = {name: a for name, a in arrays.items() if not name.endswith(("/step", "num_batches_tracked"))}
        assert {str(array.dtype) for array in moments.values()} == {setup_dtype}
        assert each.network.forward(np.ones((4, 3), setup_dtype), np.random.default_rng(0)).dtype == setup_dtype


def test_state_copies_do_not_move_with_training() -> None:
    setup = make_setup(model=NORMED, optimizer="adam")
    engine = scratch_of(setup)
    engine_loop(setup, engine, 3)
    held = {**engine.model_state(), **engine.optimizer_state()}
    kept = {name: array.copy() for name, array in held.items()}
    engine_loop(setup, engine, 3)
    assert_same(held, kept)
    now = {**engine.model_state(), **engine.optimizer_state()}
    assert [name for name in now if np.array_equal(now[name], kept[name])] == []


@pytest.mark.parametrize(
    "optimizer", ["adam", "adagrad", {"name": "rmsprop", "momentum": 0.5}, {"name": "sgd", "momentum": 0.9}]
)
def test_loaded_state_goes_on_bit_for_bit(optimizer: Any) -> None:
    setup = make_setup(model=NORMED, optimizer=optimizer)
    engine = scratch_of(setup)
    engine_loop(setup, engine, 4)
    other, forgetful = (scratch_of(make_setup(model=NORMED, optimizer=optimizer, seed=99)) for _ in range(2))
    other.load_state(engine.model_state(), engine.optimizer_state())
    forgetful.load_state(engine.model_state())
    for each in (engine, other, forgetful):
        each.train_step(batch_of(setup, 5), 0.1, 5)
    assert_same(other.model_state(), engine.model_state())
    assert_same(other.optimizer_state(), engine.optimizer_state())
    assert np.abs(forgetful.model_state()["1.weight"] - engine.model_state()["1.weight"]).max() > 1e-4


def test_loaded_statistics_are_used_in_evaluation() -> None:
    setup = make_setup(model=NORMED)
    engine = scratch_of(setup)
    engine_loop(setup, engine, 4)
    other = scratch_of(make_setup(model=NORMED, train=None))
    other.load_state(engine.model_state(), engine.optimizer_state())
    inputs = train_of(setup).inputs
    assert_array_equal(other.predict(inputs), engine.predict(inputs))
    assert other.optimizer_state() == {} and "threads" not in other.decisions


def test_weights_follow_from_the_seed() -> None:
    first = scratch_of(make_setup()).model_state()
    assert_same(scratch_of(make_setup(batch_size=8, optimizer="adam")).model_state(), first)
    assert np.abs(scratch_of(make_setup(seed=12)).model_state()["1.weight"] - first["1.weight"]).max() > 0.01


@pytest.mark.parametrize(("shape", "model"), [((4,), NORMED), (IMAGE, CNN)])
def test_parameters_are_counted_as_in_torch(shape: tuple[int, ...], model: Any) -> None:
    setup = make_setup(*shape, model={**model, "dropout": 0.0})
    engine = scratch_of(setup)
    network = network_beside(setup, engine, 3)
    assert engine.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert engine.decisions == {"device": "cpu", "precision": "fp64", "threads": 1}


# Errors


@contextmanager
def one_line(error: type[Exception], text: str) -> Iterator[None]:
    with pytest.raises(error, match=text) as caught:
        yield
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_are_refused_by_name() -> None:
    setup = make_setup(optimizer="adam")
    engine = scratch_of(setup)
    state = engine.model_state()
    before = {name: array.copy() for name, array in state.items()}
    with one_line(CheckpointError, r"'1\.bias' is missing"):
        engine.load_state({name: array + 1 for name, array in state.items() if name != "1.bias"})
    with one_line(CheckpointError, "'more' is not in the model"):
        engine.load_state({**state, "more": np.zeros(1)})
    with one_line(CheckpointError, r"'1\.bias' has shape \(2,\), the model \(6,\)"):
        engine.load_state({**state, "1.weight": state["1.weight"] + 1, "1.bias": np.zeros(2)})
    with one_line(CheckpointError, r"'1\.bias' has shape \(1,\), the model \(6,\)"):
        engine.load_state({**state, "1.bias": np.zeros(1)})
    with one_line(CheckpointError, r"'1\.bias' holds int64, the model float64"):
        engine.load_state({**state, "1.bias": np.zeros(6, np.int64)})
    with one_line(CheckpointError, r"optimizer state is that of another model: '9\.weight' is not in this one"):
        engine.load_state(state, {"9.weight/exp_avg": np.zeros(1)})
    with one_line(CheckpointError, r"'1\.bias/exp_avg' has shape \(7,\), the model \(6,\)"):
        engine.load_state(state, {"1.bias/exp_avg": np.zeros(7)})
    assert_same(engine.model_state(), before)


@pytest.mark.parametrize(("shape", "model"), [((4,), NORMED), (IMAGE, CNN)])
def test_weights_of_other_widths_are_refused(shape: tuple[int, ...], model: Any) -> None:
    engine = scratch_of(make_setup(*shape, model=model))
    other = scratch_of(make_setup(*shape, model=model, classes=4))
    with one_line(CheckpointError, r"the weights are those of another model: .* has shape \(4, \d\), the model \(3"):
        engine.load_state(other.model_state())


@pytest.mark.parametrize("width", [10**6, 2**40, 2**62, 10**30])
def test_network_beyond_memory_is_an_expected_error(width: int) -> None:
    with one_line(ModelError, r"model 'mlp' on inputs of shape \(4,\): "):
        scratch_of(make_setup(model={"name": "mlp", "hidden": (width, width)}))


@pytest.mark.parametrize(("batch_size", "pieces"), [(13, 1), (39, 1), (8, 8)])
def test_lone_sample_and_batch_norm_are_refused_before_training(batch_size: int, pieces: int) -> None:
    with one_line(UsageError, r"train\.batch_size: 40 train samples in batches of \d+ \(accumulate \d\) leave one"):
        scratch_of(make_setup(model=NORMED, batch_size=batch_size, accumulate=pieces))
    for fine in ("logistic", {**NORMED, "norm": "layer"}):
        engine_loop(setup := make_setup(model=fine, batch_size=batch_size, accumulate=pieces), scratch_of(setup), 5)


@pytest.mark.parametrize("side", [4, 8])
def test_lone_image_and_batch_norm(side: int) -> None:
    """A channel of one image has many pixels to normalise over, until pooling has left but one of them."""
    model = {"name": "cnn", "channels": (2, 2, 2), "dense": (), "batch_norm": True}
    setup = make_setup(1, side, side, model=model, batch_size=39)
    if side == 4:
        with one_line(UsageError, r"train\.batch_size: 40 train samples in batches of 39"):
            scratch_of(setup)
        return
    engine = scratch_of(setup)
    assert engine.model_state()["1.num_batches_tracked"] == 0
    assert all(np.isfinite(engine_loop(setup, engine, 4).losses))


def test_two_class_loss_needs_two_classes() -> None:
    with one_line(DataError, "bce_with_logits needs 2 classes, and the data has 3"):
        scratch_of(make_setup(loss="bce_with_logits"))


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize("loss", ["cross_entropy", "bce_with_logits"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adagrad", "rmsprop"])
def test_divergence_shows_in_the_loss_and_nowhere_else(
    precision: str, clip_norm: float | None, loss: str, optimizer: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The trainer reports it; NumPy's own warnings (errors in these tests) would only be noise beside that."""
    setup = make_setup(
        classes=2, model={**NORMED, "norm": "layer", "activation": "gelu"}, optimizer=optimizer, loss=loss,
        precision=precision, clip_norm=clip_norm,
    )  # fmt: skip
    engine, split = scratch_of(setup), train_of(setup)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses = [engine.train_step(batch_of(setup, step), 1e300, step).loss for step in range(6)]
        assert not np.isfinite(losses).all()
        assert not np.isfinite(engine.score(split).mean_loss)
        engine.predict(split.inputs)
    assert capfd.readouterr() == ("", "")


def test_training_needs_samples() -> None:
    engine = scratch_of(make_setup(train=None))
    assert isinstance(engine, ScratchEngine)
    with pytest.raises(AssertionError, match="without train samples"):
        engine.train_step(np.arange(3), 0.1, 0)


def test_standardised_samples_are_the_train_split() -> None:
    """The oracle's own inputs: mean and deviation are those of the spec, channel by channel."""
    setup = make_setup(*IMAGE)
    raw = standardised(setup) * np.array(setup.spec.std)[:, None, None] + np.array(setup.spec.mean)[:, None, None]
    assert_allclose(raw, np.asarray(train_of(setup).inputs), rtol=1e-12)


def test_threads_are_those_of_the_program_but_at_work() -> None:
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        engine = scratch_of(make_setup(4, threads=1))
        assert threads() == {2}
        with engine.at_work():
            assert threads() == {1}
        assert threads() == {2}


def test_missing_moments_start_from_zero() -> None:
    engine = scratch_of(make_setup(4, optimizer="adam"))
    engine.train_step(np.arange(8), 0.1, 1)
    engine.load_state(engine.model_state(), {})
    assert all(not array.any() for array in engine.optimizer_state().values())
