"""Losses of the NumPy engine against torch in float64 and against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from finite_differences import assert_gradients
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional

from clfkit.components import losses
from clfkit.data.bundle import ClassMap
from clfkit.engines.scratch.losses import ScratchLoss
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.losses import build_loss

CLASSES = ClassMap(names=("a", "b", "c"))
TWO = ClassMap(names=("no", "yes"))
LABELS = np.array([0, 2, 1, 1, 0, 2, 2])
BINARY = np.array([0, 1, 1, 0, 1, 0, 0])
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "smoothing": {"label_smoothing": 0.2},
    "weights": {"class_weights": (3.0, 0.5, 1.0)},
    "both": {"label_smoothing": 0.3, "class_weights": (3.0, 0.5, 1.0)},
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
SCALE = 0.7


def loss_of(name: str, options: dict[str, Any], dtype: str = "float64") -> ScratchLoss:
    classes = CLASSES if name == "cross_entropy" else TWO
    weights = options.get("class_weights")
    named = dict(zip(classes.names, weights, strict=False)) if weights else None
    component = losses.parse({"name": name, **options, "class_weights": named})
    loss: ScratchLoss = build_loss(component, classes, np.ones(len(classes), np.int64), "scratch")
    loss.allocate(Memory(dtype))
    return loss


def logits_of(rows: int, samples: int, size: float = 2.0) -> Array:
    return np.random.default_rng(8).normal(0, size, (rows, samples))


def cross_entropy_of_torch(logits: torch.Tensor, labels: Any, options: dict[str, Any]) -> torch.Tensor:
    weights = options.get("class_weights")
    return functional.cross_entropy(
        logits.T,
        torch.tensor(labels),
        None if weights is None else torch.tensor(weights, dtype=logits.dtype),
        reduction="sum",
        label_smoothing=options.get("label_smoothing", 0.0),
    )


def bce_of_torch(logits: torch.Tensor, labels: Any, options: dict[str, Any]) -> torch.Tensor:
    smoothing = options.get("label_smoothing", 0.0)
    weights = torch.tensor(options.get("class_weights", (1.0, 1.0)), dtype=logits.dtype)
    targets = torch.tensor(labels, dtype=logits.dtype) * (1 - smoothing) + smoothing / 2
    return functional.binary_cross_entropy_with_logits(
        logits[0], targets, weights[torch.tensor(labels)], reduction="sum"
    )


PEERS: dict[str, tuple[Any, Array, int]] = {
    "cross_entropy": (cross_entropy_of_torch, LABELS, 3),
    "bce_with_logits": (bce_of_torch, BINARY, 1),
}
every_loss = pytest.mark.parametrize("name", PEERS)


@every_loss
@every_option
@pytest.mark.parametrize("size", [0.01, 2.0, 30.0])
def test_value_and_gradient_are_those_of_torch(name: str, options: dict[str, Any], size: float) -> None:
    peer, labels, rows = PEERS[name]
    loss, logits = loss_of(name, options), logits_of(rows, len(labels), size)
    theirs = torch.tensor(logits, requires_grad=True)
    expected = peer(theirs, labels, options)
    (expected * SCALE).backward()
    assert theirs.grad is not None
    assert loss.forward(logits, labels) == pytest.approx(expected.item(), rel=1e-12)
    gradient = loss.backward(SCALE)
    assert_allclose(gradient, theirs.grad.numpy(), rtol=1e-12, atol=1e-12 * float(theirs.grad.abs().max()))
    weights = options.get("class_weights", (1.0,) * 3)
    assert loss.weight(labels) == pytest.approx(sum(weights[label] for label in labels), rel=1e-15)


@every_loss
@every_option
def test_gradient_is_a_difference_quotient(name: str, options: dict[str, Any]) -> None:
    _, labels, rows = PEERS[name]
    loss, logits = loss_of(name, options), logits_of(rows, len(labels))
    loss.forward(logits, labels)
    gradient = loss.backward(SCALE).copy()
    assert_gradients(lambda: SCALE * loss.forward(logits, labels), {"logits": logits}, {"logits": gradient})


@every_loss
@every_option
def test_losses_forget_earlier_batches(name: str, options: dict[str, Any]) -> None:
    _, labels, rows = PEERS[name]
    used = loss_of(name, options)
    for count in (3, 7, 1, 5, 7):
        fresh, logits, part = loss_of(name, options), logits_of(rows, count), labels[:count]
        before = logits.copy()
        assert used.forward(logits, part) == fresh.forward(logits, part)
        assert_array_equal(used.backward(SCALE), fresh.backward(SCALE))
        used.probabilities(logits_of(rows, 4))
        assert_array_equal(logits, before)
    assert used.forward(logits, labels) == used.forward(logits, labels.copy())


def test_other_labels_for_the_same_logits() -> None:
    loss, logits = loss_of("cross_entropy", {}), logits_of(3, 7)
    loss.forward(logits, LABELS)
    other = (LABELS + 1) % 3
    expected = loss_of("cross_entropy", {}).forward(logits, other)
    assert loss.forward(logits, other) == expected
    assert_allclose(loss.backward(1.0)[other, np.arange(7)], loss.probabilities(logits)[other, np.arange(7)] - 1)


@every_loss
@every_option
@pytest.mark.parametrize(("dtype", "extreme"), [("float64", 1e4), ("float32", 80.0), ("float32", 1e4)])
def test_extreme_logits(name: str, options: dict[str, Any], dtype: str, extreme: float) -> None:
    peer, labels, rows = PEERS[name]
    labels = labels[:6]
    loss = loss_of(name, options, dtype)
    logits = np.random.default_rng(9).choice([-extreme, 0, extreme], (rows, 6)).astype(dtype)
    theirs = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    expected = peer(theirs, labels, options)
    expected.backward()
    assert theirs.grad is not None
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, gradient = loss.forward(logits, labels), loss.backward(1.0)
        probabilities = loss.probabilities(logits)
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    assert value == pytest.approx(expected.item(), rel=tolerance)
    assert gradient.dtype == probabilities.dtype == dtype
    assert_allclose(gradient, theirs.grad.numpy(), rtol=tolerance, atol=tolerance)
    assert_allclose(probabilities.sum(axis=0), 1, rtol=tolerance)


def test_confident_and_right_keeps_its_digits() -> None:
    """-log p is e⁻⁴⁰ where p is 1 to all digits; with two classes and one logit nothing of it is lost."""
    assert loss_of("cross_entropy", {}).forward(np.array([[0.0], [40.0], [-40.0]]), np.array([1])) < 1e-15
    assert loss_of("bce_with_logits", {}).forward(np.array([[40.0]]), np.array([1])) == pytest.approx(np.exp(-40))


def test_of_equal_logits_the_lowest_class_is_predicted() -> None:
    loss = loss_of("cross_entropy", {})
    logits = np.array([[1.0, 0, 2, 0], [1, 3, 2, -1], [1, 3, 5, 0]])
    assert_array_equal(loss.predicted(logits), [0, 1, 2, 0])
    binary = loss_of("bce_with_logits", {})
    assert_array_equal(binary.predicted(np.array([[0.0, -0.0, 1e-300, -1e-300]])), [0, 0, 1, 0])


def test_probabilities_are_softmax_and_sigmoid() -> None:
    logits = logits_of(3, 7)
    assert_allclose(loss_of("cross_entropy", {}).probabilities(logits), torch.tensor(logits).softmax(0), rtol=1e-14)
    both = loss_of("bce_with_logits", {}).probabilities(logits[:1])
    positive = torch.tensor(logits[0]).sigmoid().numpy()
    assert_allclose(both, [1 - positive, positive], rtol=1e-13)


def test_smoothing_moves_targets_towards_equal_shares() -> None:
    """The gradient is p - target, so p less the gradient shows the targets."""
    loss, logits = loss_of("cross_entropy", {"label_smoothing": 0.3}), logits_of(3, 7)
    loss.forward(logits, LABELS)
    targets = loss.probabilities(logits) - loss.backward(1.0)
    assert_allclose(targets, 0.7 * np.eye(3)[:, LABELS] + 0.1, rtol=1e-12)


@pytest.mark.parametrize("z", [-40.0, -20.0, -5.0, 5.0, 20.0, 40.0, 700.0, -700.0])
def test_small_probabilities_keep_their_digits(z: float) -> None:
    probabilities = loss_of("bce_with_logits", {}).probabilities(np.array([[z]]))
    exact = torch.sigmoid(torch.tensor([-z, z], dtype=torch.float64)).numpy()
    assert_allclose(probabilities[:, 0], exact, rtol=1e-14, atol=0)
