"""The torch engine does what a plain torch loop does."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from clfkit.components import engines, losses, models, optimizers
from clfkit.data.bundle import ClassMap, DataSpec, Split
from clfkit.engines.base import Engine, EngineSetup, Totals
from clfkit.engines.pytorch.building import build_model
from clfkit.engines.threads import choose_threads
from clfkit.errors import CheckpointError, UsageError
from clfkit.registry import Component
from clfkit.world import World, own

FEATURES, CLASSES, SAMPLES = 4, 3, 40


def make_setup(**changes: Any) -> EngineSetup:
    """A small problem of three classes. `model`, `loss` and `optimizer` may be given as in YAML."""
    rng = np.random.default_rng(3)
    classes = changes.pop("classes", CLASSES)
    labels = rng.integers(0, classes, SAMPLES)
    spec = DataSpec(
        inputs="vector", shape=(FEATURES,), classes=ClassMap(names=tuple("abcdef"[:classes])),
        mean=(0.5,) * FEATURES, std=(2.0,) * FEATURES,
    )  # fmt: skip
    train = Split(rng.normal(size=(SAMPLES, FEATURES)).astype(np.float32), labels, np.arange(SAMPLES))
    setup = EngineSetup(
        spec=spec, model=models.parse({"name": "mlp", "hidden": (6,), "activation": "tanh"}),
        loss=losses.parse("cross_entropy"), optimizer=optimizers.parse("sgd"), train=train,
        class_counts=train.counts(classes), seed=11, batch_size=8, device="cpu", threads=1,
    )  # fmt: skip
    parsers = {"model": models.parse, "loss": losses.parse, "optimizer": optimizers.parse}
    return dataclasses.replace(
        setup, **{name: parsers[name](value) if name in parsers else value for name, value in changes.items()}
    )


def make_engine(**changes: Any) -> Engine:
    engine: Engine = engines.build(Component("torch", engines.entry("torch").options()), make_setup(**changes))
    return engine


BATCHES = [np.arange(start, start + 8) for start in range(0, SAMPLES, 8)] * 2


def trained(lr: float = 0.05, **changes: Any) -> Engine:
    """An engine after ten steps."""
    engine = make_engine(**changes)
    with engine.at_work():
        for step, batch in enumerate(BATCHES):
            engine.train_step(batch, lr, step)
    return engine


def plain_loop(
    setup: EngineSetup, make: Callable[[nn.Module], torch.optim.Optimizer], criterion: nn.Module,
    clip: float | None = None,
) -> dict[str, np.ndarray[Any, Any]]:  # fmt: skip
    """The same ten steps in plain torch."""
    model = build_model(setup, CLASSES)
    assert setup.train is not None
    inputs = (torch.from_numpy(np.asarray(setup.train.inputs)) - 0.5) / 2.0
    labels = torch.from_numpy(setup.train.labels)
    optimizer = make(model)
    for batch in BATCHES:
        optimizer.zero_grad()
        criterion(model(inputs[batch]), labels[batch]).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def weights_only(model: nn.Module) -> list[dict[str, Any]]:
    """Parameter groups with weight decay 0.1 on matrices, none on biases."""
    return [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]


def assert_same(engine: Engine, expected: dict[str, Any], tolerance: float = 1e-6) -> None:
    state = engine.model_state()
    assert state.keys() == expected.keys()
    for name, array in state.items():
        assert_allclose(array, expected[name], atol=tolerance, rtol=1e-5, err_msg=name)


PEERS: dict[str, tuple[dict[str, Any], Callable[[Any], torch.optim.Optimizer]]] = {
    "sgd": ({"name": "sgd"}, lambda p: torch.optim.SGD(p, 0.05)),
    "momentum": ({"name": "sgd", "momentum": 0.9}, lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)),
    "nesterov": (
        {"name": "sgd", "momentum": 0.9, "nesterov": True},
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    ),
    "adam": ({"name": "adam", "beta1": 0.8, "beta2": 0.95}, lambda p: torch.optim.Adam(p, 0.05, (0.8, 0.95))),
    "rmsprop": (
        {"name": "rmsprop", "alpha": 0.9, "momentum": 0.5},
        lambda p: torch.optim.RMSprop(p, 0.05, 0.9, momentum=0.5),
    ),
    "adagrad": ({"name": "adagrad"}, lambda p: torch.optim.Adagrad(p, 0.05)),
}


@pytest.mark.parametrize(("options", "peer"), PEERS.values(), ids=PEERS)
def test_steps_are_those_of_torch_optim(options: dict[str, Any], peer: Callable[[Any], torch.optim.Optimizer]) -> None:
    expected = plain_loop(make_setup(), lambda model: peer(model.parameters()), nn.CrossEntropyLoss())
    assert_same(trained(optimizer=options), expected)


@pytest.mark.parametrize(("options", "peer"), PEERS.values(), ids=PEERS)
def test_weight_decay_is_l2_and_spares_biases(
    options: dict[str, Any], peer: Callable[[Any], torch.optim.Optimizer]
) -> None:
    expected = plain_loop(make_setup(), lambda model: peer(weights_only(model)), nn.CrossEntropyLoss())
    engine = trained(optimizer={**options, "weight_decay": 0.1})
    assert_same(engine, expected)
    without = trained(optimizer=options).model_state()
    assert np.abs(engine.model_state()["1.weight"] - without["1.weight"]).max() > 1e-4


def test_decay_all_reaches_biases() -> None:
    expected = plain_loop(
        make_setup(), lambda model: torch.optim.SGD(model.parameters(), 0.05, weight_decay=0.1), nn.CrossEntropyLoss()
    )
    assert_same(trained(optimizer={"name": "sgd", "weight_decay": 0.1, "decay_all": True}), expected)


@pytest.mark.parametrize("options", [{"name": "adamw"}, {"name": "adam", "decoupled": True}])
def test_decoupled_decay_is_that_of_adamw(options: dict[str, Any]) -> None:
    expected = plain_loop(make_setup(), lambda m: torch.optim.AdamW(weights_only(m), 0.05), nn.CrossEntropyLoss())
    assert_same(trained(optimizer={**options, "weight_decay": 0.1}), expected)


def test_adamw_decays_by_default_and_without_decoupling_is_adam() -> None:
    assert optimizers.parse("adamw").options.weight_decay == 0.01
    coupled = trained(optimizer={"name": "adamw", "decoupled": False, "weight_decay": 0.1})
    assert_same(trained(optimizer={"name": "adam", "weight_decay": 0.1}), coupled.model_state(), 0)


def test_decoupled_decay_alone_shrinks_weights_by_a_known_factor() -> None:
    """With gradients clipped to nothing, ten steps leave (1 - lr · decay)^10 of the weights, and all of the biases."""
    engine = make_engine(optimizer={"name": "sgd", "weight_decay": 0.5, "decoupled": True}, clip_norm=1e-12)
    before = engine.model_state()
    for step, batch in enumerate(BATCHES):
        engine.train_step(batch, 0.05, step)
    after = engine.model_state()
    assert_allclose(after["1.weight"], before["1.weight"] * 0.975**10, rtol=1e-5)
    assert_allclose(after["1.bias"], before["1.bias"], rtol=1e-6)


def test_learning_rate_is_that_of_each_step() -> None:
    engine = make_engine()
    before = engine.model_state()
    engine.train_step(BATCHES[0], 0.0, 0)
    assert_same(engine, before, 0)
    engine.train_step(BATCHES[0], 0.1, 0)
    once = engine.model_state()["1.weight"] - before["1.weight"]
    other = make_engine()
    other.train_step(BATCHES[0], 0.2, 0)
    assert_allclose(other.model_state()["1.weight"] - before["1.weight"], 2 * once, atol=1e-7)


def test_clip_norm() -> None:
    expected = plain_loop(
        make_setup(), lambda model: torch.optim.SGD(model.parameters(), 0.05), nn.CrossEntropyLoss(), clip=0.05
    )
    assert_same(trained(clip_norm=0.05), expected)
    loose = trained(clip_norm=1e6).model_state()
    assert_same(trained(), loose, 0)


@pytest.mark.parametrize("pieces", [2, 3, 8])
@pytest.mark.parametrize("loss", ["cross_entropy", {"name": "cross_entropy", "class_weights": {"a": 5.0}}])
def test_pieces_of_a_batch_give_its_gradient(loss: Any, pieces: int) -> None:
    whole, cut = make_engine(loss=loss), make_engine(loss=loss, accumulate=pieces)
    for step, batch in enumerate(BATCHES):
        mine = cut.read([cut.train_step(batch, 0.1, step)])
        theirs = whole.read([whole.train_step(batch, 0.1, step)])
        assert_allclose(mine.loss, theirs.loss, rtol=1e-5)
        assert_allclose(mine.weight, theirs.weight)
        assert_array_equal(mine.correct, theirs.correct)
        assert_array_equal(mine.count, [8])
    assert_same(cut, whole.model_state(), 1e-6)


@pytest.mark.parametrize(
    ("options", "criterion"),
    [
        ({"label_smoothing": 0.2}, nn.CrossEntropyLoss(label_smoothing=0.2)),
        ({"class_weights": {"a": 3.0, "c": 0.5}}, nn.CrossEntropyLoss(torch.tensor([3.0, 1.0, 0.5]))),
        (
            {"class_weights": {"b": 2.0}, "label_smoothing": 0.1},
            nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 1.0]), label_smoothing=0.1),
        ),
    ],
)
def test_training_minimises_the_mean_of_the_loss(options: dict[str, Any], criterion: nn.Module) -> None:
    expected = plain_loop(make_setup(), lambda model: torch.optim.SGD(model.parameters(), 0.05), criterion)
    assert_same(trained(loss={"name": "cross_entropy", **options}), expected)


# Randomness


def test_weights_follow_from_the_seed() -> None:
    first, again, other = make_engine(), make_engine(), make_engine(seed=12)
    assert_same(first, again.model_state(), 0)
    assert np.abs(first.model_state()["1.weight"] - other.model_state()["1.weight"]).max() > 0.01


DROPOUT = {"name": "mlp", "hidden": (64,), "dropout": 0.5}


def test_dropout_follows_from_the_key_alone() -> None:
    def losses_of(keys: list[int]) -> list[float]:
        engine = make_engine(model=DROPOUT)
        return [float(engine.train_step(BATCHES[0], 0.0, key).loss) for key in keys]

    drawn = losses_of([1, 2, 3])
    assert len(set(drawn)) == 3
    assert losses_of([3, 1, 2]) == [drawn[2], drawn[0], drawn[1]]


def test_prediction_has_no_dropout_and_training_goes_on_with_it() -> None:
    engine = make_engine(model=DROPOUT)
    split = make_setup().train
    assert split is not None
    loss = float(engine.train_step(BATCHES[0], 0.0, 1).loss)
    assert_array_equal(engine.predict(split.inputs), engine.predict(split.inputs))
    assert engine.score(split).mean_loss == engine.score(split).mean_loss
    assert float(engine.train_step(BATCHES[0], 0.0, 1).loss) == loss


def test_global_random_states_are_left_alone() -> None:
    torch.manual_seed(5)
    before, legacy = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    engine = trained(model=DROPOUT)
    split = make_setup().train
    assert split is not None
    engine.score(split)
    engine.predict(split.inputs)
    assert_array_equal(torch.get_rng_state().numpy(), before.numpy())
    assert_array_equal(np.random.get_state()[1], legacy[1])  # noqa: NPY002


def test_training_does_not_depend_on_global_random_state() -> None:
    torch.manual_seed(1)
    first = trained(model=DROPOUT).model_state()
    torch.manual_seed(2)
    assert_same(trained(model=DROPOUT), first, 0)


# Scores, predictions, state


def test_scores_agree_with_predictions() -> None:
    engine = trained()
    split = make_setup().train
    assert split is not None
    probabilities = engine.predict(split.inputs)
    assert probabilities.shape == (SAMPLES, CLASSES) and probabilities.dtype == np.float32
    assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    totals = engine.score(split)
    assert totals.accuracy == (probabilities.argmax(axis=1) == split.labels).mean()
    chosen = probabilities[np.arange(SAMPLES), split.labels]
    assert totals.mean_loss == pytest.approx(-np.log(chosen).mean(), rel=1e-5)
    assert engine.predict(np.empty((0, FEATURES), np.float32)).shape == (0, CLASSES)


def test_train_steps_report_the_loss_before_the_step() -> None:
    engine = make_engine()
    split = make_setup().train
    assert split is not None
    expected = engine.score(split)
    totals = engine.read([engine.train_step(np.arange(SAMPLES), 0.1, 0)])
    assert totals.mean_loss == pytest.approx(expected.mean_loss, rel=1e-5)
    assert totals.accuracy == expected.accuracy


def test_state_copies_do_not_move_with_training() -> None:
    engine = trained(optimizer={"name": "adam"})
    model, optimizer = engine.model_state(), engine.optimizer_state()
    kept = {name: array.copy() for name, array in {**model, **optimizer}.items()}
    engine.train_step(BATCHES[0], 0.1, 0)
    assert all(np.array_equal(kept[name], array) for name, array in {**model, **optimizer}.items())


def test_loaded_state_goes_on_bit_for_bit() -> None:
    engine = trained(optimizer={"name": "adam"})
    other = make_engine(optimizer={"name": "adam"}, seed=99)
    other.load_state(engine.model_state(), engine.optimizer_state())
    for one in (engine, other):
        one.train_step(BATCHES[3], 0.1, 5)
    assert_same(other, engine.model_state(), 0)
    fresh = make_engine(optimizer={"name": "adam"}, seed=99)
    fresh.load_state(trained(optimizer={"name": "adam"}).model_state())
    fresh.train_step(BATCHES[3], 0.1, 5)
    assert np.abs(fresh.model_state()["1.weight"] - other.model_state()["1.weight"]).max() > 1e-4


def test_foreign_weights_are_refused_by_name() -> None:
    engine = make_engine()
    state = engine.model_state()
    with pytest.raises(CheckpointError, match=r"'1\.bias' is missing"):
        engine.load_state({name: array for name, array in state.items() if name != "1.bias"})
    with pytest.raises(CheckpointError, match="'more' is not in the model"):
        engine.load_state({**state, "more": np.zeros(1)})
    with pytest.raises(CheckpointError, match=r"'1\.bias' has shape \(2,\), the model \(6,\)"):
        engine.load_state({**state, "1.bias": np.zeros(2, np.float32)})
    with pytest.raises(CheckpointError, match="optimizer state is that of another model"):
        engine.load_state(state, {"9.weight/exp_avg": np.zeros(1, np.float32)})
    with pytest.raises(CheckpointError, match=r"'1\.bias/momentum_buffer' has shape \(7,\), the model \(6,\)"):
        engine.load_state(state, {"1.bias/momentum_buffer": np.zeros(7, np.float32)})


def test_bf16_trains_near_fp32() -> None:
    fast, exact = trained(precision="bf16"), trained()
    assert fast.model_state()["1.weight"].dtype == np.float32
    assert_same(fast, exact.model_state(), 0.02)
    assert np.abs(fast.model_state()["1.weight"] - exact.model_state()["1.weight"]).max() > 0


def test_totals_add_up_over_batches_of_any_size() -> None:
    loss = {"name": "cross_entropy", "class_weights": "balanced"}
    engine = make_engine(loss=loss)
    whole = engine.read([engine.train_step(np.arange(SAMPLES), 0.0, 0)])
    parts = engine.read([engine.train_step(at, 0.0, 0) for at in (np.arange(7), np.arange(7, SAMPLES))])
    assert parts.mean_loss == pytest.approx(whole.mean_loss, rel=1e-5)
    assert parts.accuracy == whole.accuracy
    assert (parts + Totals.of({})).mean_loss == parts.mean_loss
    assert Totals.of(parts.arrays()).mean_loss == parts.mean_loss
    assert np.isnan(Totals.of({}).mean_loss) and np.isnan(Totals.of({}).accuracy)


@pytest.mark.parametrize(("batch_size", "pieces"), [(13, 1), (39, 1), (8, 8)])
def test_lone_sample_and_batch_norm_are_refused_before_training(batch_size: int, pieces: int) -> None:
    normed = {"name": "mlp", "norm": "batch"}
    with pytest.raises(UsageError, match=r"train\.batch_size: 40 train samples"):
        make_engine(model=normed, batch_size=batch_size, accumulate=pieces)
    make_engine(batch_size=batch_size, accumulate=pieces)
    make_engine(model={"name": "mlp", "norm": "layer"}, batch_size=batch_size, accumulate=pieces)


def test_lone_sample_check_leaves_statistics_alone() -> None:
    engine = make_engine(model={"name": "mlp", "norm": "batch"}, batch_size=20)
    assert_array_equal(engine.model_state()["2.running_mean"], np.zeros(64))
    assert engine.model_state()["2.num_batches_tracked"] == 0


def test_absent_device_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UsageError, match=r"'cuda' is not available here; this machine has: cpu"):
        make_engine(device="cuda")
    assert make_engine(device="auto").decisions["device"] in ("cpu", "mps")


def test_tiny_networks_take_one_thread() -> None:
    assert choose_threads(make_setup(threads="auto"), 1000) == 1
    assert choose_threads(make_setup(threads="auto", batch_size=512), 10_000_000) >= 1
    assert choose_threads(make_setup(threads=3), 1000) == 3


class Outside:
    """Train samples outside memory; notes which of them were read, and whether by the main thread."""

    def __init__(self, samples: np.ndarray[Any, Any]) -> None:
        self._samples, self.shape, self.dtype = samples, samples.shape, samples.dtype
        self.read: list[tuple[bool, list[int]]] = []

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, indices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        self.read.append((threading.current_thread() is threading.main_thread(), indices.tolist()))
        return self._samples[indices]


class Second(World):
    """The second of two processes, which hears nothing of the first."""

    rank, size = 1, 2


@pytest.mark.parametrize(("world", "accumulate"), [(World(), 1), (World(), 2), (Second(), 1), (Second(), 3)])
def test_each_process_reads_its_own_samples_ahead(world: World, accumulate: int) -> None:
    train = make_setup().train
    assert train is not None
    inputs = Outside(np.asarray(train.inputs))
    engine = make_engine(
        train=dataclasses.replace(train, inputs=inputs), world=world, accumulate=accumulate, workers=2, resident=False
    )
    inputs.read.clear()  # what the trial of the model read
    with engine.at_work():
        for step, batch in enumerate(engine.ahead(iter(BATCHES))):
            assert_array_equal(batch, BATCHES[step])
            engine.train_step(batch, 0.05, step)
    own_samples = [own(batch, world.share(len(batch), accumulate)).tolist() for batch in BATCHES]
    assert sorted(samples for _, samples in inputs.read) == sorted(own_samples)
    assert not any(by_main for by_main, _ in inputs.read)
