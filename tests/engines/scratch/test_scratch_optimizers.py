"""Update rules of the NumPy engine, step by step, against torch.optim in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from clfkit.components import optimizers
from clfkit.engines.scratch.optimizers import UpdateRule
from clfkit.errors import UsageError

LR = 0.03
Make = Callable[[list[torch.Tensor]], torch.optim.Optimizer]
RULES: dict[str, tuple[dict[str, Any], Make]] = {
    "sgd": ({"name": "sgd"}, lambda p: torch.optim.SGD(p, LR)),
    "momentum": ({"name": "sgd", "momentum": 0.9}, lambda p: torch.optim.SGD(p, LR, 0.9)),
    "nesterov": (
        {"name": "sgd", "momentum": 0.8, "nesterov": True},
        lambda p: torch.optim.SGD(p, LR, 0.8, nesterov=True),
    ),
    "adagrad": ({"name": "adagrad", "eps": 1e-3}, lambda p: torch.optim.Adagrad(p, LR, eps=1e-3)),
    "rmsprop": ({"name": "rmsprop", "alpha": 0.9}, lambda p: torch.optim.RMSprop(p, LR, 0.9)),
    "rmsprop with momentum": (
        {"name": "rmsprop", "alpha": 0.9, "momentum": 0.5, "eps": 1e-3},
        lambda p: torch.optim.RMSprop(p, LR, 0.9, 1e-3, momentum=0.5),
    ),
    "adam": (
        {"name": "adam", "beta1": 0.8, "beta2": 0.95, "eps": 1e-3},
        lambda p: torch.optim.Adam(p, LR, (0.8, 0.95), 1e-3),
    ),
    "adam without means": ({"name": "adam", "beta1": 0.0}, lambda p: torch.optim.Adam(p, LR, (0.0, 0.999))),
    "adamw": (
        {"name": "adamw", "beta1": 0.8, "weight_decay": 0},
        lambda p: torch.optim.AdamW(p, LR, (0.8, 0.999), weight_decay=0),
    ),
}
every_rule = pytest.mark.parametrize(("options", "make"), RULES.values(), ids=RULES)


def rule_of(options: dict[str, Any], size: int, dtype: str = "float64") -> UpdateRule:
    rule: UpdateRule = optimizers.build(optimizers.parse(options), size, np.dtype(dtype), engine="scratch")
    return rule


def gradients(size: int, steps: int = 30) -> Any:
    """Of very different lengths; one weight never has any."""
    rng = np.random.default_rng(3)
    drawn = rng.normal(size=(steps, size)) * 10.0 ** rng.integers(-4, 3, (steps, 1))
    drawn[:, 0] = 0
    return drawn


@every_rule
def test_every_step_and_moment_is_that_of_torch(options: dict[str, Any], make: Make) -> None:
    w = np.random.default_rng(2).normal(size=6)
    theirs = torch.tensor(w)
    rule, optimizer = rule_of(options, 6), make([theirs])
    for step, gradient in enumerate(gradients(6), start=1):
        lr = LR * (1.5 + np.cos(step))
        theirs.grad = torch.tensor(gradient)
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
        rule.steps += 1
        rule.update(w, gradient.copy(), lr)
        assert_allclose(w, theirs.numpy(), rtol=1e-12, err_msg=f"step {step}")
    kept = {name: value for name, value in optimizer.state[theirs].items() if value is not None}
    assert rule.counts == ("step" in kept)
    assert kept.pop("step", torch.tensor(30)) == 30
    assert kept.keys() == rule.state.keys() == set(rule.vectors)
    for name, value in kept.items():
        assert_allclose(rule.state[name], value.numpy(), rtol=1e-12, err_msg=name)


@every_rule
def test_single_precision_stays_single(options: dict[str, Any], make: Make) -> None:
    w, exact = np.ones(5, np.float32), np.ones(5)
    rule, peer = rule_of(options, 5, "float32"), rule_of(options, 5)
    for gradient in gradients(5, 5):
        for each, weights in ((rule, w), (peer, exact)):
            each.steps += 1
            each.update(weights, gradient.astype(weights.dtype), LR)
    assert w.dtype == np.float32 and {array.dtype for array in rule.state.values()} <= {np.dtype("float32")}
    assert_allclose(w, exact, rtol=1e-5)


@every_rule
def test_rate_of_zero_moves_nothing_but_the_moments(options: dict[str, Any], make: Make) -> None:
    w, rule = np.arange(4.0), rule_of(options, 4)
    rule.steps = 1
    rule.update(w, np.ones(4), 0.0)
    assert_array_equal(w, np.arange(4.0))
    assert all(array.any() for array in rule.state.values())


def test_nesterov_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="momentum"):
        rule_of({"name": "sgd", "nesterov": True}, 3)
