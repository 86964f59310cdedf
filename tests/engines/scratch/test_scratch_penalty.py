"""What is taken off large weights and long gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from finite_differences import assert_gradients
from numpy.testing import assert_allclose, assert_array_equal

from clfkit.components import OptimizerOptions
from clfkit.engines.scratch.clipping import clip_norm
from clfkit.engines.scratch.memory import Array
from clfkit.engines.scratch.network import Network
from clfkit.engines.scratch.penalty import Penalty
from clfkit.models.plan import BatchNorm, Conv2D, Dense, Flatten, LayerNorm, Plan

PENALTIES: dict[str, dict[str, Any]] = {
    "l2": {"weight_decay": 0.3},
    "l1": {"l1": 0.2},
    "both": {"weight_decay": 0.3, "l1": 0.2},
    "l1 and decoupled": {"weight_decay": 0.3, "l1": 0.2, "decoupled": True},
}


def weights() -> Array:
    signs: Array = np.array([1.0, -1.0, 1.0] * 3)
    return signs * np.random.default_rng(1).uniform(0.1, 1, 9)


@pytest.mark.parametrize("options", PENALTIES.values(), ids=PENALTIES)
def test_gradient_of_the_penalty_is_a_difference_quotient(options: dict[str, Any]) -> None:
    penalty = Penalty(OptimizerOptions(**options))
    w, g = weights(), np.zeros(9)
    penalty.learn(w, g)
    assert_array_equal(w, weights())
    assert_gradients(lambda: penalty.loss(w), {"w": w}, {"w": g})


def test_penalties_by_hand() -> None:
    w = np.array([3.0, -4.0, 0.0])
    assert Penalty(OptimizerOptions(weight_decay=0.5, l1=2.0)).loss(w) == 0.25 * 25 + 2 * 7
    g = np.ones(3)
    penalty = Penalty(OptimizerOptions(weight_decay=0.5, l1=2.0))
    penalty.learn(w, g)
    penalty.shrink(w, 0.1)
    assert_array_equal(g, [1 + 1.5 + 2, 1 - 2 - 2, 1])
    assert_array_equal(w, [3, -4, 0])


def test_decoupled_decay_passes_the_gradient_by() -> None:
    penalty = Penalty(OptimizerOptions(weight_decay=0.5, decoupled=True))
    w, g = weights(), np.full(9, 7.0)
    assert penalty.loss(w) == 0
    penalty.learn(w, g)
    penalty.shrink(w, 0.1)
    assert_array_equal(g, np.full(9, 7.0))
    assert_allclose(w, 0.95 * weights(), rtol=1e-15)


DESIGN = Plan(
    (Conv2D(1, 2), BatchNorm(2, spatial=True), Flatten(), Dense(18, 3), LayerNorm(3), BatchNorm(3), Dense(3, 1))
)


@pytest.mark.parametrize("decay_all", [False, True])
def test_biases_and_scales_go_free_unless_asked_for(decay_all: bool) -> None:
    arrays = DESIGN.first_arrays(np.random.default_rng(0))
    network = Network(DESIGN, dict(arrays), np.float64, decay_all=decay_all)
    penalty = Penalty(OptimizerOptions(weight_decay=0.5, decoupled=True, l1=1.0))
    network.gradient[...] = 0
    before = network.arrays()
    penalty.learn(network.weights[: network.decayed], network.gradient[: network.decayed])
    penalty.shrink(network.weights[: network.decayed], 1.0)
    after, gradients = network.arrays(), network.named(network.gradient)
    learned = {name for name in before if name.endswith(("weight", "bias"))}
    pulled = learned if decay_all else {"0.weight", "3.weight", "6.weight"}
    for name in before:
        assert_allclose(after[name], before[name] * (0.5 if name in pulled else 1), err_msg=name)
    for name in learned:
        assert_array_equal(gradients[name], np.sign(before[name]) if name in pulled else 0 * before[name])


@pytest.mark.parametrize("largest", [1e-12, 0.5, 2.9999, 3.0, 3.0001, 1e6])
@pytest.mark.parametrize("length", [3.0, 1e-9, 0.0])
def test_clipping_is_that_of_torch(largest: float, length: float) -> None:
    g = weights()
    g *= length / np.linalg.norm(g)
    parts = [torch.zeros(4, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)]
    for part, gradient in zip(parts, (g[:4], g[4:]), strict=True):
        part.grad = torch.tensor(gradient)
    torch.nn.utils.clip_grad_norm_(parts, largest)
    clip_norm(g, largest)
    theirs = np.concatenate([part.grad.numpy() for part in parts if part.grad is not None])
    assert_allclose(g, theirs, rtol=1e-14)
    assert np.linalg.norm(g) <= largest
