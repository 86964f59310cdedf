"""The NumPy engine trains as a plain torch loop does: 50 steps in float64 from the same weights and batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from plain_torch import assert_near, samples_last
from scratch_problems import (
    Criterion,
    batch_of,
    engine_loop,
    make_setup,
    network_beside,
    plain_loop,
    scratch_of,
    standardised,
    train_of,
)
from torch import nn
from torch.nn import functional

from clfkit.engines.base import EngineSetup
from clfkit.models.plan import Activation

TOLERANCE = 1e-10
Make = Callable[[Any], torch.optim.Optimizer]
IMAGE = (2, 9, 7)


def binary_criterion(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Smoothed by 0.2, with class b weighing 3; the mean divides by the sum of the weights."""
    weights = torch.tensor([1.0, 3.0], dtype=torch.float64)[labels]
    targets = labels.double() * 0.8 + 0.1
    terms = functional.binary_cross_entropy_with_logits(logits[:, 0], targets, weights, reduction="sum")
    return terms / weights.sum()


MODELS: dict[str, tuple[tuple[int, ...], Any]] = {
    "logistic": ((4,), "logistic"),
    "logistic of images": (IMAGE, "logistic"),
    **{kind: ((4,), {"name": "mlp", "hidden": (6, 5), "activation": kind}) for kind in get_args(Activation)},
    "no hidden layer": ((4,), {"name": "mlp", "hidden": ()}),
    "mlp of images": (IMAGE, {"name": "mlp", "hidden": (6,), "init": "he"}),
    "batch norm": ((4,), {"name": "mlp", "hidden": (6, 5), "norm": "batch"}),
    "layer norm": ((4,), {"name": "mlp", "hidden": (6, 5), "norm": "layer", "activation": "gelu"}),
    "cnn": (IMAGE, {"name": "cnn", "channels": (3, 4), "dense": (5,), "dropout": 0.0}),
    "deep cnn": (IMAGE, {"name": "cnn", "channels": (2, 3, 2, 3), "dense": (), "dropout": 0.0, "init": "glorot"}),
    "cnn with batch norm": (
        IMAGE,
        {"name": "cnn", "channels": (3, 4), "dense": (5,), "dropout": 0, "batch_norm": True},
    ),
    "cnn, activation first": ((1, 6, 5), {"name": "cnn", "channels": (3,), "dropout": 0, "activation": "silu"}),
}
every_model = pytest.mark.parametrize(("shape", "model"), MODELS.values(), ids=MODELS)


def assert_trains_alike(setup: EngineSetup, make: Make, criterion: Criterion, outputs: int) -> None:
    engine = scratch_of(setup)
    theirs = plain_loop(setup, network_beside(setup, engine, outputs), make, criterion)
    before = engine.model_state()
    mine = engine_loop(setup, engine)
    assert_allclose(mine.losses, theirs.losses, rtol=TOLERANCE)
    assert_near(mine.state, theirs.state, TOLERANCE)
    assert all(np.abs(mine.state[name] - before[name]).max() > 1e-3 for name in before if name.endswith("weight"))


def sgd(groups: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, 1.0, momentum=0.9)


MOMENTUM = {"name": "sgd", "momentum": 0.9}


@every_model
def test_forward_loss_and_gradients(shape: tuple[int, ...], model: Any) -> None:
    setup = make_setup(*shape, model=model)
    engine = scratch_of(setup)
    network = network_beside(setup, engine, 3)
    at, x = batch_of(setup, 0), standardised(setup)
    logits = network(torch.tensor(x[at]))
    labels = train_of(setup).labels[at]
    loss = nn.CrossEntropyLoss()(logits, torch.tensor(labels))
    loss.backward()
    mine = engine.network.forward(np.ascontiguousarray(np.moveaxis(x[at], 0, -1)), np.random.default_rng(0))
    assert_near({"logits": mine}, {"logits": samples_last(logits)}, 1e-13)
    assert engine.loss.forward(mine, labels) / len(at) == pytest.approx(loss.item(), rel=1e-13)
    engine.network.backward(engine.loss.backward(1 / len(at)))
    expected = {name: p.grad.numpy() for name, p in network.named_parameters() if p.grad is not None}
    largest = max(np.abs(gradient).max() for gradient in expected.values())
    for name, gradient in engine.network.named(engine.network.gradient).items():
        assert_allclose(gradient, expected[name], rtol=1e-11, atol=1e-14 * largest, err_msg=name)


@every_model
def test_models(shape: tuple[int, ...], model: Any) -> None:
    assert_trains_alike(make_setup(*shape, model=model, optimizer=MOMENTUM), sgd, nn.CrossEntropyLoss(), 3)


OPTIMIZERS: dict[str, tuple[dict[str, Any], Make]] = {
    "sgd": ({"name": "sgd"}, lambda p: torch.optim.SGD(p, 1.0)),
    "momentum": (MOMENTUM, sgd),
    "nesterov": ({**MOMENTUM, "nesterov": True}, lambda p: torch.optim.SGD(p, 1.0, momentum=0.9, nesterov=True)),
    "adagrad": ({"name": "adagrad"}, lambda p: torch.optim.Adagrad(p, 1.0)),
    "rmsprop": ({"name": "rmsprop"}, lambda p: torch.optim.RMSprop(p, 1.0)),
    "rmsprop with momentum": ({"name": "rmsprop", "momentum": 0.5}, lambda p: torch.optim.RMSprop(p, momentum=0.5)),
    "adam": ({"name": "adam", "beta1": 0.8}, lambda p: torch.optim.Adam(p, 1.0, (0.8, 0.999))),
    "adamw": (
        {"name": "adamw", "decoupled": False, "weight_decay": 0.0},
        lambda p: torch.optim.AdamW(p, 1.0),
    ),
}
PENALTIES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "l2": {"weight_decay": 0.1, "decoupled": False},
    "l2 on all": {"weight_decay": 0.1, "decay_all": True},
    "decoupled": {"weight_decay": 0.1, "decoupled": True},
    "l1": {"l1": 0.01},
}


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "adamw"])
def test_optimizers_with_penalties(name: str, penalty: dict[str, Any]) -> None:
    options, make = OPTIMIZERS[name]
    setup = make_setup(optimizer={**options, **penalty}, clip_norm=0.5 if name in ("sgd", "adam") else None)
    assert_trains_alike(setup, make, nn.CrossEntropyLoss(), 3)


@pytest.mark.parametrize("options", [{"name": "adamw", "weight_decay": 0.1}, {"name": "adamw"}])
def test_adamw_is_that_of_torch(options: dict[str, Any]) -> None:
    setup = make_setup(optimizer=options)
    engine = scratch_of(setup)
    network = network_beside(setup, engine, 3)
    decay = options.get("weight_decay", 0.01)
    kernels = [{"params": [p], "weight_decay": decay if p.ndim > 1 else 0.0} for p in network.parameters()]
    bare = make_setup(optimizer="adam")  # so that the loop adds nothing to what torch does by itself
    theirs = plain_loop(bare, network, lambda _: torch.optim.AdamW(kernels, 1.0), nn.CrossEntropyLoss())
    mine = engine_loop(setup, engine)
    assert_allclose(mine.losses, theirs.losses, rtol=TOLERANCE)
    assert_near(mine.state, theirs.state, TOLERANCE)


WEIGHTS = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)
LOSSES: dict[str, tuple[dict[str, Any], Criterion]] = {
    "smoothing": ({"label_smoothing": 0.2}, nn.CrossEntropyLoss(label_smoothing=0.2)),
    "weights": ({"class_weights": {"a": 3.0, "c": 0.5}}, nn.CrossEntropyLoss(WEIGHTS)),
    "both": (
        {"label_smoothing": 0.1, "class_weights": {"a": 3.0, "c": 0.5}},
        nn.CrossEntropyLoss(WEIGHTS, label_smoothing=0.1),
    ),
}


@pytest.mark.parametrize(("options", "criterion"), LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_losses_in_pieces(options: dict[str, Any], criterion: Criterion, accumulate: int, optimizer: str) -> None:
    loss = {"name": "cross_entropy", **options}
    setup = make_setup(optimizer=OPTIMIZERS[optimizer][0], loss=loss, accumulate=accumulate, clip_norm=1.0)
    assert_trains_alike(setup, OPTIMIZERS[optimizer][1], criterion, 3)


@pytest.mark.parametrize("accumulate", [1, 16])
def test_two_class_loss(accumulate: int) -> None:
    loss = {"name": "bce_with_logits", "label_smoothing": 0.2, "class_weights": {"b": 3.0}}
    setup = make_setup(classes=2, loss=loss, optimizer=MOMENTUM, accumulate=accumulate)
    assert_trains_alike(setup, sgd, binary_criterion, 1)


@pytest.mark.parametrize("model", [MODELS["cnn"], MODELS["mlp of images"]])
def test_pieces_of_a_batch_of_images(model: Any) -> None:
    shape, options = model
    setup = make_setup(*shape, model=options, optimizer=MOMENTUM, accumulate=3)
    assert_trains_alike(setup, sgd, nn.CrossEntropyLoss(), 3)


@pytest.mark.parametrize("batch_size", [1, 7, 39, 40])
@pytest.mark.parametrize("model", [MODELS["layer norm"], MODELS["cnn"]])
def test_batches_of_any_size(model: Any, batch_size: int) -> None:
    """Of one sample; of seven, five of which are left for the last batch; all but one, and all."""
    shape, options = model
    setup = make_setup(*shape, model=options, optimizer=MOMENTUM, batch_size=batch_size)
    assert_trains_alike(setup, sgd, nn.CrossEntropyLoss(), 3)


# Networks of any shape

widths = st.lists(st.integers(1, 4), max_size=3).map(tuple)
activations = st.sampled_from(get_args(Activation))
mlps = st.fixed_dictionaries(
    {"name": st.just("mlp"), "hidden": widths, "activation": activations},
    optional={"norm": st.sampled_from(["none", "batch", "layer"]), "init": st.sampled_from(["he", "glorot"])},
)
channels = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
cnns = st.fixed_dictionaries(
    {
        "name": st.just("cnn"), "channels": channels, "dense": widths,
        "dropout": st.just(0.0), "activation": activations, "batch_norm": st.booleans(),
    }
)  # fmt: skip
points = st.tuples(st.integers(1, 5))
images = st.tuples(st.integers(1, 2), st.integers(1, 7), st.integers(1, 7))
problems = st.tuples(points, mlps) | st.tuples(images, mlps) | st.tuples(images, cnns)


@settings(deadline=None, max_examples=80)
@given(problem=problems, classes=st.integers(2, 4), batch=st.integers(1, 5))
def test_any_network_agrees_with_torch(problem: tuple[tuple[int, ...], Any], classes: int, batch: int) -> None:
    """Logits, loss and gradients, in training and in evaluation; twice, with batches of two sizes."""
    shape, model = problem
    if model.get("norm") == "batch" or model.get("batch_norm"):
        batch = 4  # two samples are normalised to ±1 whatever they are: no digits are left of the gradient
    if model.get("norm") == "layer":  # nor are there of one feature (always 0) or of two
        model = {**model, "hidden": tuple(max(width, 3) for width in model["hidden"])}
    setup = make_setup(*shape, classes=classes, model=model)
    engine = scratch_of(setup)
    network = network_beside(setup, engine, classes)
    for at in (np.arange(batch + 2), np.arange(6, 6 + batch)):
        x, labels = standardised(setup)[at], train_of(setup).labels[at]
        network.zero_grad()
        logits = network.train()(torch.tensor(x))
        functional.cross_entropy(logits, torch.tensor(labels)).backward()  # type: ignore[no-untyped-call]
        columns = np.ascontiguousarray(np.moveaxis(x, 0, -1))
        mine = engine.network.forward(columns, np.random.default_rng(0))
        assert_allclose(mine, samples_last(logits), rtol=1e-9, atol=1e-11)
        engine.loss.forward(mine, labels)
        engine.network.backward(engine.loss.backward(1 / len(at)))
        gradients = engine.network.named(engine.network.gradient)
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None
            assert_allclose(gradients[name], parameter.grad.numpy(), rtol=1e-7, atol=1e-10, err_msg=name)
        expected = samples_last(network.eval()(torch.tensor(x)))
        assert_allclose(engine.network.infer(columns), expected, rtol=1e-9, atol=1e-11)
