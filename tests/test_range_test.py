"""The range test suggests rates that a problem's own arithmetic allows, and is a function of the config alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from clfkit.augmentations import Augmenter
from clfkit.engines.base import StepResult
from clfkit.planning import make_plan
from clfkit.range_test import HIGHEST, LOWEST, QUIET, STEPS, find_rate, judge

RATES = np.geomspace(LOWEST, HIGHEST, STEPS)


def quadratic(curvature: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Losses of gradient descent on ½ c w² from w = 1, at rising rates: it diverges where a rate passes 2 / c."""
    weight, losses = 1.0, []
    for rate in RATES:
        losses.append(1 + 0.5 * curvature * weight**2)
        weight *= 1 - rate * curvature
        if losses[-1] > 10 * losses[0]:
            break
    return np.array(losses)


@settings(max_examples=50, deadline=None)
@given(st.floats(1.0, 500.0))
def test_on_a_quadratic_the_rate_is_stable_and_not_idle(curvature: float) -> None:
    losses = quadratic(curvature)
    test = judge(RATES[: len(losses)], losses, 0.1)
    assert test.suggestion is not None
    assert 0.01 / curvature < test.suggestion < 2 / curvature


def test_losses_that_never_fall_suggest_nothing() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, STEPS)
    assert judge(RATES, 2 + noise + np.linspace(0, 1, STEPS), 0.1).suggestion is None
    assert judge(RATES[:3], np.ones(3), 0.1).suggestion is None  # it exploded at once
    assert judge(RATES[:0], np.ones(0), 0.1).suggestion is None


def test_an_explosion_does_not_reach_back() -> None:
    falling = np.concatenate([np.full(100, 2.0), np.linspace(2, 1, 40)])
    exploded = judge(RATES[:145], np.concatenate([falling, np.full(5, 1e30)]), 0.1)
    assert exploded.suggestion is not None
    assert RATES[100] < exploded.suggestion < RATES[139]


@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_looks_of_samples_are_those_of_training(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, sampling: str
) -> None:
    """So they are in a plan."""
    changes = {"train.augment": ["shift"], "train.sampling": sampling, "train.epochs": 2}
    config = laboratory.config("digits", changes)
    looks: list[tuple[int, bytes]] = []
    call = Augmenter.__call__

    def noted(self: Augmenter, images: Any, key: int, samples: Any) -> Any:
        looks.append((key, samples.tobytes()))
        return call(self, images, key, samples)

    monkeypatch.setattr(Augmenter, "__call__", noted)
    laboratory.run(config)
    training = looks.copy()
    looks.clear()
    monkeypatch.setattr("clfkit.range_test.STEPS", len(training))
    find_rate(config)
    assert looks == training
    looks.clear()
    monkeypatch.setattr("clfkit.planning.SECONDS", 0.1)
    make_plan(config)
    assert len(set(looks) - set(training)) == 1, "but the step whose memory is measured"


@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_it_is_a_function_of_the_config_and_runs_into_the_next_epochs(laboratory: Any, engine: str) -> None:
    changes = {
        "engine": engine, "train.accumulate": 2, "train.ema": 0.9, "train.schedule": "one_cycle",
        "model.dropout": 0.0, "train.optimizer.lr": 0.3,
    }  # fmt: skip
    config = laboratory.config("blobs", changes)
    seen: list[int] = []
    first, second = find_rate(config, seen.append), find_rate(config)
    assert_array_equal(first.losses, second.losses)
    assert first.suggestion == second.suggestion
    assert seen == list(range(1, len(seen) + 1))
    assert QUIET < len(first.losses) <= len(seen) <= STEPS
    assert first.current == 0.3
    assert first.suggestion is not None
    assert 1e-3 < first.suggestion < 1  # Adam on an MLP of 8 units
    assert not laboratory.out.exists()


def test_nothing_but_train_samples_is_looked_at(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from clfkit.engines.pytorch.engine import TorchEngine

    def forbidden(*arguments: Any) -> None:
        raise AssertionError("a split was scored")

    for method in ("score", "evaluate", "predict"):
        monkeypatch.setattr(TorchEngine, method, forbidden)
    find_rate(laboratory.config("blobs"))


def test_a_loss_that_is_not_finite_ends_it(laboratory: Any) -> None:
    config = laboratory.config("blobs", {"train.optimizer": {"name": "sgd", "lr": 0.1, "weight_decay": 5.0}})
    test = find_rate(config)
    assert np.isfinite(test.losses).all()


def test_a_step_that_is_not_taken_ends_it(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the gradient is not finite, though the loss is: nothing is learned any more."""
    from clfkit.engines.pytorch.engine import TorchEngine

    train_step, taken = TorchEngine.train_step, []

    def skipping(self: Any, *arguments: Any) -> StepResult:
        taken.append(arguments)
        return train_step(self, *arguments)._replace(skipped=len(taken) == 30)

    monkeypatch.setattr(TorchEngine, "train_step", skipping)
    assert (len(find_rate(laboratory.config("blobs")).losses), len(taken)) == (29, 30)
