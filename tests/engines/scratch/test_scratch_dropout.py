"""Dropout on the NumPy engine: unbiased, off in evaluation, and a pure function of the key."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scratch_problems import engine_loop, make_setup, scratch_of, train_of

from clfkit import rng
from clfkit.engines.scratch.layers.dropout import Dropout
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.models import plan

SIZE = 200_000
BOUND = 5.0
"""Standard deviations: a right engine fails once in two million draws, and these draws are always the same."""


def layer_of(rate: float, dtype: str = "float64") -> Dropout:
    return Dropout(plan.Dropout(rate), Memory(dtype))


def mask_of(layer: Dropout, shape: tuple[int, ...], key: int = 1) -> Array:
    """What `forward` multiplied by."""
    generator = rng.generator(key, "masks")
    return layer.forward(np.ones(shape, layer.memory.dtype), generator)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_kept_share_and_mean(rate: float) -> None:
    mask = mask_of(layer_of(rate), (100, SIZE // 100))
    deviation = math.sqrt(rate * (1 - rate) / SIZE)
    assert abs(np.count_nonzero(mask) / SIZE - (1 - rate)) < BOUND * deviation
    assert abs(mask.mean() - 1) < BOUND * deviation / (1 - rate)
    assert_allclose(np.unique(mask), [0, 1 / (1 - rate)], rtol=2**-16 / (1 - rate))


@pytest.mark.parametrize("rate", [0.0, 1e-12, 1e-5, 1 - 1e-5, 1 - 1e-12])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rates_close_to_none_and_all(rate: float, dtype: str) -> None:
    """The probability is the nearest multiple of 1/65,536, and never 1: what is kept makes up for what is not."""
    layer = layer_of(rate, dtype)
    mask = mask_of(layer, (10, 2 * SIZE // 10))
    kept = max(1 - round(rate * 2**16) / 2**16, 2.0**-16)
    deviation = math.sqrt(kept * (1 - kept) / mask.size)
    assert mask.dtype == dtype and np.isfinite(mask).all()
    assert abs(np.count_nonzero(mask) / mask.size - kept) <= BOUND * deviation
    assert_allclose(mask.max(), 1 / kept, rtol=1e-6)


def test_mean_of_outputs_is_that_of_inputs() -> None:
    x = np.random.default_rng(1).normal(size=(20, 10))
    layer, draws = layer_of(0.4), 2000
    outs = [layer.forward(x, rng.generator(draw, "masks")).copy() for draw in range(draws)]
    deviation = np.abs(x) * math.sqrt(0.4 / 0.6 / draws)
    assert (np.abs(np.mean(outs, axis=0) - x) < BOUND * deviation).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (5, 7), (4, 4), (2, 3, 2, 3)])
def test_every_number_has_its_own_chance(shape: tuple[int, ...]) -> None:
    """Random bits come four numbers at a time: the last ones of an odd shape are drawn as well."""
    draws = 400
    kept = np.mean([mask_of(layer_of(0.5), shape, draw) > 0 for draw in range(draws)], axis=0)
    assert (np.abs(kept - 0.5) < BOUND * math.sqrt(0.25 / draws)).all()


def test_mask_follows_from_the_key_alone() -> None:
    layer = layer_of(0.5)
    first = mask_of(layer, (6, 50), key=3).copy()
    mask_of(layer, (6, 70), key=4)
    assert_array_equal(mask_of(layer, (6, 50), key=3), first)
    assert_array_equal(mask_of(layer_of(0.5), (6, 50), key=3), first)


def test_evaluation_changes_nothing() -> None:
    x = np.random.default_rng(1).normal(size=(5, 4))
    assert_array_equal(layer_of(0.9).infer(x), x)


# In the engine

MODEL = {"name": "mlp", "hidden": (30, 30), "dropout": 0.5, "activation": "tanh"}


@pytest.fixture
def masks(monkeypatch: pytest.MonkeyPatch) -> list[Array]:
    """Every mask that is drawn, in order."""
    drawn: list[Array] = []
    forward = Dropout.forward

    def spy(self: Dropout, x: Array, generator: np.random.Generator) -> Array:
        out = forward(self, x, generator)
        drawn.append(self.backward(np.ones_like(x)) > 0)
        return out

    monkeypatch.setattr(Dropout, "forward", spy)
    return drawn


@pytest.mark.parametrize("accumulate", [1, 2])
def test_no_mask_is_drawn_twice(masks: list[Array], accumulate: int) -> None:
    """Not between steps, layers or pieces of a batch: any two agree in half of their places, as by chance."""
    setup = make_setup(model=MODEL, accumulate=accumulate, batch_size=8)
    engine_loop(setup, scratch_of(setup), steps=10)
    assert len(masks) == 10 * 2 * accumulate
    for one, other in itertools.combinations(masks, 2):
        assert abs((one == other).mean() - 0.5) < BOUND * math.sqrt(0.25 / one.size)


def test_masks_of_a_step_depend_on_its_key_alone(masks: list[Array]) -> None:
    def drawn(keys: list[int]) -> dict[int, bytes]:
        masks.clear()
        engine = scratch_of(make_setup(model=MODEL))
        for key in keys:
            engine.train_step(np.arange(16), 0.1, key)
            engine.predict(train_of(make_setup()).inputs)
        pairs = zip(masks[::2], masks[1::2], strict=True)
        drawn_by_key = zip(keys, pairs, strict=True)
        return {key: b"".join(mask.tobytes() for mask in pair) for key, pair in drawn_by_key}

    keys = [0, 1, 2, 2**62 + 5, 2**63 - 1]
    first = drawn(keys)
    assert len(set(first.values())) == len(keys)
    assert drawn(keys[::-1]) == first


def test_evaluation_draws_nothing_and_training_goes_on_with_dropout() -> None:
    setup = make_setup(model=MODEL)
    engine, split = scratch_of(setup), train_of(setup)
    loss = engine.train_step(np.arange(8), 0.0, 1).loss
    assert_array_equal(engine.predict(split.inputs), engine.predict(split.inputs))
    assert engine.score(split).mean_loss == engine.score(split).mean_loss
    assert engine.train_step(np.arange(8), 0.0, 1).loss == loss
    without = scratch_of(make_setup(model={**MODEL, "dropout": 0.0})).network
    x = np.random.default_rng(1).normal(size=(4, 5))
    assert_array_equal(engine.network.infer(x), without.infer(x))


def test_global_random_state_is_neither_used_nor_touched() -> None:
    np.random.seed(1)  # noqa: NPY002
    before: Any = np.random.get_state()  # noqa: NPY002
    setup = make_setup(model=MODEL)
    first = engine_loop(setup, scratch_of(setup), 3)
    after: Any = np.random.get_state()  # noqa: NPY002
    assert_array_equal(after[1], before[1])
    np.random.seed(2)  # noqa: NPY002
    assert engine_loop(setup, scratch_of(setup), 3).losses == first.losses
