"""Batches are a pure function of seed, epoch and position."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clfkit.data.batches import Batches, all_in_order

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


def labels_of(*counts: int) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(any),
    st.sampled_from(["balanced", "square_root"]),
    st.integers(0, 3),
)
def test_classes_are_drawn_in_proportion_and_their_samples_equally(counts: list[int], kind: str, epoch: int) -> None:
    """Both up to rounding: that is what systematic draws are for."""
    labels = np.random.default_rng(0).permutation(labels_of(*counts))
    plan = Batches.of(len(labels), 16, 7, sampling=kind, labels=labels)
    order = plan.order(epoch)
    assert len(order) == plan.samples
    mass = np.array([0 if n == 0 else 1 if kind == "balanced" else n**0.5 for n in counts])
    wanted = len(labels) * mass / mass.sum()
    found = np.bincount(labels[order], minlength=len(counts))
    assert (np.abs(found - wanted) < 1 + 1e-9).all()
    times = np.bincount(order, minlength=len(labels))
    for label, n in enumerate(counts):
        if n:
            assert np.ptp(times[labels == label]) <= 1
            assert (np.abs(times[labels == label] - wanted[label] / n) < 1 + 1e-9).all()
    assert np.array_equal(order, plan.order(epoch))
    assert np.array_equal(np.concatenate([each for _, each in plan.epoch(epoch, 1)] or [order[:0]]), order[16:])


def test_every_sample_of_a_large_class_has_its_turn() -> None:
    labels = labels_of(90, 10)
    plan = Batches.of(100, 10, 3, sampling="balanced", labels=labels)
    seen = np.bincount(np.concatenate([plan.order(epoch) for epoch in range(200)]), minlength=100) / 200
    assert np.abs(seen[:90] - 50 / 90).max() < 0.15
    assert np.abs(seen[90:] - 5).max() < 1e-9
    assert not np.array_equal(plan.order(0), np.sort(plan.order(0)))


def test_natural_sampling_is_the_order_without_labels() -> None:
    labels = labels_of(30, 5)
    plan = Batches.of(35, 8, 3, sampling="natural", labels=labels)
    assert np.array_equal(plan.order(2), Batches.of(35, 8, 3).order(2))


def test_a_full_batch_is_drawn_too() -> None:
    plan = Batches.of(35, "full", 3, sampling="balanced", labels=labels_of(30, 5))
    ((_, indices),) = plan.epoch(0)
    assert len(indices) == 35
    assert not all_in_order(indices, 35)
    assert all_in_order(np.arange(35), 35)
    assert not all_in_order(np.arange(34), 35)
