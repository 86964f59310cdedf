"""Splits are disjoint, complete, of the right size, stratified and reproducible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clfkit.components import SplitOptions
from clfkit.data.bundle import PARTS, IndexArray, Part
from clfkit.data.splitting import split_indices
from clfkit.errors import DataError

sizes = st.lists(st.integers(1, 40), min_size=2, max_size=6)
shares = st.one_of(st.floats(0.0, 0.4), st.integers(0, 20))


def labels_of(class_sizes: list[int]) -> IndexArray:
    labels = np.repeat(np.arange(len(class_sizes)), class_sizes)
    return np.random.default_rng(0).permutation(labels)


def split(labels: IndexArray, options: SplitOptions, seed: int = 0, **given: IndexArray) -> dict[Part, IndexArray]:
    return split_indices(labels, options, given, np.random.default_rng(seed))  # type: ignore[arg-type]


def number(share: float | int, total: int) -> int:
    return share if isinstance(share, int) else (max(1, round(share * total)) if share else 0)


@settings(max_examples=150, deadline=None)
@given(sizes, shares, shares, st.booleans(), st.integers(0, 9))
def test_random_splits(class_sizes: list[int], valid: float, test: float, stratify: bool, seed: int) -> None:
    labels = labels_of(class_sizes)
    total = len(labels)
    wanted = {"test": number(test, total), "valid": number(valid, total)}
    spare = total - len(class_sizes) if stratify else total - 1
    assume(sum(wanted.values()) <= spare)
    options = SplitOptions(valid=valid, test=test, stratify=stratify)
    parts = split(labels, options, seed)
    assert np.array_equal(np.sort(np.concatenate([parts[part] for part in PARTS])), np.arange(total))
    for part in ("test", "valid"):
        assert len(parts[part]) == wanted[part]
        assert np.array_equal(parts[part], np.sort(parts[part]))
    again = split(labels, options, seed)
    assert all(np.array_equal(parts[part], again[part]) for part in PARTS)
    if stratify:
        assert (np.bincount(labels[parts["train"]], minlength=len(class_sizes)) >= 1).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(10, 60), min_size=2, max_size=6), st.floats(0.05, 0.4))
def test_stratified_parts_keep_proportions_within_one(class_sizes: list[int], share: float) -> None:
    labels = labels_of(class_sizes)
    parts = split(labels, SplitOptions(valid=0, test=share))
    exact = np.array(class_sizes) * (len(parts["test"]) / len(labels))
    drawn = np.bincount(labels[parts["test"]], minlength=len(class_sizes))
    assert (np.abs(drawn - exact) < 1 + 1e-9).all()


def test_seeds_give_different_splits() -> None:
    labels = labels_of([50, 50])
    assert not np.array_equal(split(labels, SplitOptions(), 1)["test"], split(labels, SplitOptions(), 2)["test"])


def test_given_parts_are_kept_and_the_rest_is_drawn_from_train() -> None:
    labels = labels_of([50, 50])
    parts = split(labels, SplitOptions(valid=0.25), train=np.arange(80), test=np.arange(80, 100))
    assert np.array_equal(parts["test"], np.arange(80, 100))
    assert len(parts["valid"]) == 20
    assert np.array_equal(np.sort(np.concatenate([parts["train"], parts["valid"]])), np.arange(80))


def test_a_given_test_part_cannot_be_resized() -> None:
    with pytest.raises(DataError, match=r"data\.split\.test"):
        split(labels_of([5, 5]), SplitOptions(test=0.5), test=np.arange(2))


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="leave nothing to train on"):
        split(labels_of([5, 5]), SplitOptions(valid=5, test=5))


def test_every_class_keeps_one_sample_for_training() -> None:
    with pytest.raises(DataError, match=r"^data\.split\.test: 3 .*valid: 0, test: 0.* data\.split\.stratify") as error:
        split(labels_of([2, 1, 1, 1]), SplitOptions(valid=0, test=3))
    assert "of the 5 samples left" in str(error.value)
    assert len(split(labels_of([2, 1, 1, 1]), SplitOptions(valid=0, test=0))["train"]) == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"train": [0, 1, 2], "test": [2, 3]}, "sample 2 is given more than once: in train and in test"),
        ({"test": [1, 1]}, "sample 1 is given more than once: in test and in test"),
        ({"test": [10]}, "beyond the 10"),
        ({"valid": [-1]}, "beyond the 10"),
    ],
)
def test_given_parts_that_share_samples_are_refused(given: dict[str, list[int]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(labels_of([5, 5]), SplitOptions(), **{part: np.array(indices) for part, indices in given.items()})


def test_without_a_given_test_part_one_is_drawn_from_the_given_train_part() -> None:
    parts = split(labels_of([50, 50]), SplitOptions(), train=np.arange(80), valid=np.arange(80, 100))
    assert len(parts["test"]) == 16
    assert set(parts["test"].tolist()) <= set(range(80))
    assert np.array_equal(parts["valid"], np.arange(80, 100))
