"""Batches are a pure function of seed, epoch and position."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clfkit.data.batches import Batches

batches = st.builds(Batches.of, st.integers(1, 200), st.one_of(st.integers(1, 64), st.just("full")), st.integers(0, 9))


@settings(deadline=None)
@given(batches, st.integers(0, 5), st.integers(0, 300))
def test_each_sample_comes_once_and_any_start_gives_the_tail(plan: Batches, epoch: int, start: int) -> None:
    every = list(plan.epoch(epoch))
    assert np.array_equal(np.sort(np.concatenate([indices for _, indices in every])), np.arange(plan.samples))
    assert [position for position, _ in every] == list(range(plan.per_epoch))
    assert all(len(indices) == plan.batch_size for _, indices in every[:-1])
    tail = list(plan.epoch(epoch, start))
    assert len(tail) == max(plan.per_epoch - start, 0)
    for (position, indices), (same_position, same) in zip(tail, every[start:], strict=True):
        assert position == same_position
        assert np.array_equal(indices, same)


def test_order_depends_on_seed_and_epoch_only() -> None:
    plan = Batches.of(100, 10, seed=1)
    first = plan.order(0)
    np.random.default_rng(5).random(3)
    assert np.array_equal(first, Batches.of(100, 20, seed=1).order(0))
    assert not np.array_equal(first, plan.order(1))
    assert not np.array_equal(first, Batches.of(100, 10, seed=2).order(0))


def test_one_full_batch_is_not_shuffled() -> None:
    assert np.array_equal(Batches.of(7, "full", seed=3).order(4), np.arange(7))
    assert Batches.of(7, 1000, seed=3).per_epoch == 1
