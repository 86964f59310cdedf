"""Optimizers hand their options on to torch; that their steps are torch's is shown in tests/engines."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from clfkit.components import optimizers
from clfkit.errors import UsageError


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": "sgd", "lr": 0.3, "momentum": 0.5, "nesterov": True}, {"momentum": 0.5, "nesterov": True}),
        ({"name": "adam", "lr": 0.3, "beta1": 0.5, "eps": 1e-3}, {"betas": (0.5, 0.999), "eps": 1e-3}),
        ({"name": "adamw", "lr": 0.3, "beta2": 0.9}, {"betas": (0.9, 0.9), "weight_decay": 0.0}),
        ({"name": "rmsprop", "lr": 0.3, "alpha": 0.5, "momentum": 0.1}, {"alpha": 0.5, "momentum": 0.1}),
        ({"name": "adagrad", "lr": 0.3, "eps": 1e-3}, {"eps": 1e-3}),
    ],
)
def test_options_reach_torch(options: dict[str, Any], expected: dict[str, Any]) -> None:
    component = optimizers.parse(options)
    parameter = torch.zeros(2, requires_grad=True)
    optimizer = optimizers.build(component, [{"params": [parameter]}])
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert optimizer.defaults["lr"] == component.options.lr  # type: ignore[attr-defined]
    assert {name: optimizer.defaults[name] for name in expected} == expected


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(UsageError, match=r"train\.optimizer\.nesterov: needs momentum"):
        optimizers.build(optimizers.parse({"name": "sgd", "nesterov": True}), [{"params": [torch.zeros(2)]}])


@pytest.mark.parametrize("name", optimizers.names())
def test_every_optimizer_goes_downhill(name: str) -> None:
    parameter = torch.full((2,), 3.0, requires_grad=True)
    optimizer = optimizers.build(optimizers.parse({"name": name, "lr": 0.1}), [{"params": [parameter]}])
    for _ in range(20):
        optimizer.zero_grad()
        (parameter**2).sum().backward()
        optimizer.step()
    assert (parameter.detach().abs() < 2.9).all()


@pytest.mark.parametrize("name", optimizers.names())
@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf"), "fast"])
def test_rates_that_are_none_are_refused(name: str, rate: object) -> None:
    with pytest.raises(ValidationError):
        optimizers.parse({"name": name, "lr": rate})


@pytest.mark.parametrize("name", optimizers.names())
def test_shared_options_are_there(name: str) -> None:
    options = optimizers.parse({"name": name, "weight_decay": 0.2, "decay_all": True, "decoupled": True}).options
    assert (options.weight_decay, options.decay_all, options.decoupled) == (0.2, True, True)
