"""Losses against torch's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from clfkit.components import losses
from clfkit.data.bundle import ClassMap
from clfkit.errors import DataError
from clfkit.losses import Loss, build_loss

COUNTS = np.array([10, 30, 60])


def make(name: str, counts: Any = COUNTS, **options: Any) -> Loss:
    classes = ClassMap(names=tuple("abc"[: len(counts)]))
    return build_loss(losses.parse({"name": name, **options}), classes, np.asarray(counts))


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, {"a": 4.0, "b": 0.5}, "balanced"])
def test_cross_entropy_is_torchs(generator: torch.Generator, smoothing: float, weights: Any) -> None:
    logits = (5 * torch.randn(50, 3, generator=generator)).requires_grad_()
    labels = torch.randint(0, 3, (50,), generator=generator)
    vector = {None: [1.0, 1.0, 1.0], "balanced": [100 / 30, 100 / 90, 100 / 180]}.get(
        weights if not isinstance(weights, dict) else "", [4.0, 0.5, 1.0]
    )
    peer = nn.CrossEntropyLoss(torch.tensor(vector), label_smoothing=smoothing)(logits, labels)
    loss = make("cross_entropy", label_smoothing=smoothing, class_weights=weights)
    total, weight = loss.torch(logits, labels)
    assert_allclose((total / weight).item(), peer.item(), rtol=1e-5)
    assert_allclose(float(loss.weight(labels)), float(weight))
    (ours,) = torch.autograd.grad(total / weight, logits)
    (theirs,) = torch.autograd.grad(peer, logits)
    assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-7)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, {"b": 3.0}, {"a": 2.0, "b": 0.5}, "balanced"])
def test_binary_cross_entropy_is_torchs(generator: torch.Generator, smoothing: float, weights: Any) -> None:
    """Against BCEWithLogitsLoss of single samples, and for two-class targets against softmax of (0, z)."""
    logits = 5 * torch.randn(50, 1, generator=generator)
    labels = torch.randint(0, 2, (50,), generator=generator)
    by_name = {"a": 1.0, "b": 1.0, **(weights if isinstance(weights, dict) else {})}
    if weights == "balanced":
        by_name = {"a": 100 / 40, "b": 100 / 160}
    of_samples = torch.tensor([by_name["ab"[label]] for label in labels.tolist()])
    targets = labels * (1 - smoothing) + smoothing / 2
    singles = nn.BCEWithLogitsLoss(reduction="none")(logits[:, 0], targets)
    loss = make("bce_with_logits", [20, 80], label_smoothing=smoothing, class_weights=weights)
    total, weight = loss.torch(logits, labels)
    assert_allclose(total.item(), (singles * of_samples).sum().item(), rtol=1e-5)
    assert_allclose(float(weight), of_samples.sum().item(), rtol=1e-6)
    if weights is None:
        pairs = torch.cat([torch.zeros_like(logits), logits], dim=1)
        peer = nn.CrossEntropyLoss(label_smoothing=smoothing)(pairs, labels)
        assert_allclose((total / weight).item(), peer.item(), rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, {"a": 2.0, "b": 0.5}])
@pytest.mark.parametrize("name", ["cross_entropy", "bce_with_logits", "focal"])
def test_shares_count_each_sample_by_so_much(
    generator: torch.Generator, name: str, weights: Any, smoothing: float
) -> None:
    """Two labels of one sample by their shares; the whole is that of the single samples."""
    loss = make(name, [20, 80], label_smoothing=smoothing, class_weights=weights)
    logits = torch.randn(30, loss.outputs, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (30,), generator=generator)
    shares = torch.rand(30, generator=generator, dtype=torch.float64)
    shares[0] = 0
    total, weight = loss.torch(logits, labels, shares)
    singles = [loss.torch(logits[i : i + 1], labels[i : i + 1]) for i in range(30)]
    assert_allclose(
        total.item(), sum(share * one.item() for share, (one, _) in zip(shares.tolist(), singles, strict=True))
    )
    assert_allclose(
        float(weight), sum(share * float(w) for share, (_, w) in zip(shares.tolist(), singles, strict=True))
    )
    assert float(loss.weight(labels, shares)) == float(weight)
    whole, _ = loss.torch(logits, labels, torch.ones(30))
    assert_allclose(whole.item(), loss.torch(logits, labels)[0].item())


def test_extreme_logits_stay_finite() -> None:
    for name, logits, counts in (
        ("cross_entropy", [[1e4, -1e4, 0.0]], COUNTS),
        ("bce_with_logits", [[-1e4]], [1, 1]),
    ):
        loss = make(name, counts)
        total, _ = loss.torch(torch.tensor(logits), torch.tensor([1]))
        assert torch.isfinite(total)
        assert torch.isfinite(loss.probabilities(torch.tensor(logits))).all()


def test_probabilities_and_predictions_agree(generator: torch.Generator) -> None:
    three = torch.randn(20, 3, generator=generator)
    one = torch.randn(20, 1, generator=generator)
    for loss, logits, classes in ((make("cross_entropy"), three, 3), (make("bce_with_logits", [1, 1]), one, 2)):
        probabilities = loss.probabilities(logits)
        assert probabilities.shape == (20, classes)
        assert_allclose(probabilities.sum(dim=1).numpy(), 1, atol=1e-6)
        assert_array_equal(probabilities.argmax(dim=1).numpy(), loss.predicted(logits).numpy())
    assert make("cross_entropy").outputs == 3
    assert make("bce_with_logits", [1, 1]).outputs == 1


def test_both_classes_of_one_logit_keep_their_small_probabilities() -> None:
    logits = torch.tensor([[30.0], [-30.0], [18.0]])
    found = make("bce_with_logits", [1, 1]).probabilities(logits)
    two = torch.cat([torch.zeros_like(logits), logits], dim=1).double().softmax(dim=1)
    assert_allclose(found.numpy(), two.numpy(), rtol=1e-5)
    assert_array_equal(found.flip(1).numpy(), make("bce_with_logits", [1, 1]).probabilities(-logits).numpy())


def test_balanced_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat([0, 1, 2], COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    loss = make("cross_entropy", class_weights="balanced")
    assert_allclose([float(loss.weight(torch.tensor([k]))) for k in range(3)], expected, rtol=1e-6)


def test_unknown_class_is_named() -> None:
    with pytest.raises(DataError, match=r"class_weights: no class 'z'; the data has 'a', 'b', 'c'"):
        make("cross_entropy", class_weights={"a": 1.0, "z": 2.0})


def test_one_logit_needs_two_classes() -> None:
    with pytest.raises(DataError, match="needs 2 classes, and the data has 3"):
        make("bce_with_logits")


@pytest.mark.parametrize("name", ["cross_entropy", "bce_with_logits"])
def test_weights_of_labels_are_summed_in_double_precision(name: str) -> None:
    weights = {"a": 0.1, "b": 1 / 3}
    loss = make(name, counts=[10, 20], class_weights=weights)
    assert float(loss.weight(torch.tensor([0, 1, 1]))) == pytest.approx(0.1 + 2 / 3, rel=1e-15)


def effective(counts: list[int], beta: float) -> list[float]:
    loss = make("cross_entropy", counts, class_weights="effective_number", beta=beta)
    return [float(loss.weight(torch.tensor([k]))) for k in range(len(counts))]


@given(st.lists(st.integers(0, 5000), min_size=2, max_size=3), st.floats(0.01, 1 - 1e-9))
def test_effective_numbers_of_samples_are_the_geometric_sums(counts: list[int], beta: float) -> None:
    """(1 - β^n) / (1 - β) = 1 + β + … + β^(n-1), and the weights of all samples sum to their number."""
    assume(sum(counts))
    weights = effective(counts, beta)
    numbers = [sum(beta**i for i in range(max(n, 1))) for n in counts]
    scale = weights[0] * numbers[0]
    assert_allclose(weights, [scale / number for number in numbers], rtol=1e-6)
    assert sum(n * w for n, w in zip(counts, weights, strict=True)) == pytest.approx(sum(counts))


def test_effective_number_lies_between_equal_and_balanced() -> None:
    assert_allclose(effective([10, 30, 60], 1e-6), 1, atol=1e-4)
    balanced = make("cross_entropy", class_weights="balanced")
    assert_allclose(effective([10, 30, 60], 1 - 1e-15), [float(balanced.weight(torch.tensor([k]))) for k in range(3)])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, "balanced"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_is_its_formula(generator: torch.Generator, gamma: float, weights: Any, smoothing: float) -> None:
    logits = torch.randn(40, 3, generator=generator, dtype=torch.float64).mul(4).requires_grad_()
    labels = torch.randint(0, 3, (40,), generator=generator)
    options = {"label_smoothing": smoothing, "class_weights": weights}
    total, weight = make("focal", gamma=gamma, **options).torch(logits, labels)
    p = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    targets = nn.functional.one_hot(labels, 3).double() * (1 - smoothing) + smoothing / 3
    vector = torch.tensor([100 / 30, 100 / 90, 100 / 180] if weights else [1.0] * 3, dtype=torch.float64)
    expected = (targets * vector * (1 - p) ** gamma * -p.log()).sum()
    assert_allclose(total.item(), expected.item(), rtol=1e-9)
    (ours,) = torch.autograd.grad(total, logits, retain_graph=True)
    (theirs,) = torch.autograd.grad(expected, logits)
    assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-9)
    plain, same_weight = make("cross_entropy", **options).torch(logits, labels)
    assert float(weight) == float(same_weight)
    assert (total.item() == pytest.approx(plain.item(), rel=1e-12)) == (gamma == 0)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_loss_of_certain_samples_has_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0], [0.0, 200.0, 0.0]], requires_grad=True)
    total, _ = make("focal", gamma=gamma, label_smoothing=0.1).torch(logits, torch.tensor([0, 1]))
    (gradient,) = torch.autograd.grad(total, logits)
    assert torch.isfinite(total)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["cross_entropy", "focal"])
def test_logit_adjustment_adds_log_frequencies_in_the_loss_alone(generator: torch.Generator, name: str) -> None:
    logits = torch.randn(40, 3, generator=generator)
    labels = torch.randint(0, 3, (40,), generator=generator)
    plain, adjusted = make(name, class_weights="balanced"), make(name, class_weights="balanced", logit_adjustment=0.5)
    moved = logits + 0.5 * torch.tensor([0.1, 0.3, 0.6]).log()
    assert adjusted.torch(logits, labels)[0].item() == pytest.approx(plain.torch(moved, labels)[0].item(), rel=1e-6)
    assert float(adjusted.weight(labels)) == float(plain.weight(labels))
    assert adjusted.outputs == 3
    assert_array_equal(adjusted.probabilities(logits).numpy(), plain.probabilities(logits).numpy())
    assert_array_equal(adjusted.predicted(logits).numpy(), plain.predicted(logits).numpy())


def test_one_logit_is_adjusted_as_the_difference_of_two(generator: torch.Generator) -> None:
    one = torch.randn(30, 1, generator=generator)
    two = torch.cat([torch.zeros(30, 1), one], dim=1)
    labels = torch.randint(0, 2, (30,), generator=generator)
    losses_of = [
        make(name, [20, 80], logit_adjustment=1.5).torch(logits, labels)[0].item()
        for name, logits in (("bce_with_logits", one), ("cross_entropy", two))
    ]
    assert losses_of[0] == pytest.approx(losses_of[1], rel=1e-5)


def test_a_class_without_samples_is_adjusted_by_a_finite_offset() -> None:
    loss = make("cross_entropy", [0, 50], logit_adjustment=1)
    assert torch.isfinite(loss.torch(torch.zeros(1, 2), torch.tensor([0]))[0])
