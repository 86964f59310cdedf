"""Which samples go to train, valid and test."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from clfkit.components import SplitOptions
from clfkit.data.bundle import IndexArray, Part
from clfkit.errors import DataError

DEFAULT_TEST = 0.2


def split_indices(
    labels: IndexArray, options: SplitOptions, given: Mapping[Part, IndexArray], rng: np.random.Generator
) -> dict[Part, IndexArray]:
    """Sorted, disjoint index arrays of the three parts.

    Parts that the dataset gives are kept; the others are drawn from what is left, which is the given train part
    if there is one. So data that give train and valid but no test lose `options.test` (by default 0.2) of their
    train part to a test part. Raises DataError when given parts share samples, or the shares cannot be had.
    """
    _check_given(given, len(labels))
    if "test" in given and options.test is not None:
        raise DataError("data.split.test: this dataset brings its own test split; leave the option out")
    pool = given.get("train")
    if pool is None:
        taken = np.concatenate([np.empty(0, np.int64), *(given[part] for part in given)])
        pool = _without(np.arange(len(labels)), taken)
    parts: dict[Part, IndexArray] = {part: np.sort(indices) for part, indices in given.items() if part != "train"}
    shares: dict[Part, float | int] = {"test": DEFAULT_TEST if options.test is None else options.test}
    shares["valid"] = options.valid
    wanted = {part: _number(share, len(pool), part) for part, share in shares.items() if part not in given}
    if sum(wanted.values()) >= len(pool):
        raise DataError(
            f"data.split: {' and '.join(f'{count} {part}' for part, count in wanted.items())} samples of "
            f"{len(pool)} leave nothing to train on"
        )
    for part, count in wanted.items():
        parts[part] = _draw(pool, labels, count, part if options.stratify else None, rng)
        pool = _without(pool, parts[part])
    parts["train"] = np.sort(pool)
    return parts


def _check_given(given: Mapping[Part, IndexArray], samples: int) -> None:
    """Raises DataError for indices that do not exist, or that stand twice."""
    every = np.concatenate([np.empty(0, np.int64), *given.values()])
    if len(every) and not 0 <= every.min() <= every.max() < samples:
        raise DataError(f"the parts that the dataset gives name samples beyond the {samples} that there are")
    times = np.bincount(every, minlength=samples)
    if times.max(initial=0) > 1:
        twice = int(times.argmax())
        holders = [part for part, indices in given.items() for _ in range(int(np.count_nonzero(indices == twice)))]
        raise DataError(f"sample {twice} is given more than once: in {' and in '.join(holders)}")


def _without(pool: IndexArray, taken: IndexArray) -> IndexArray:
    """What is left of the pool, sorted. `np.setdiff1d` takes ten times as long."""
    left = np.zeros(max(pool.max(initial=-1), taken.max(initial=-1)) + 1, np.bool_)
    left[pool] = True
    left[taken] = False
    return np.flatnonzero(left)


def _number(share: float | int, total: int, part: str) -> int:
    """A share as a number of samples; a fraction above 0 gives at least one."""
    if isinstance(share, int):
        return share
    return max(1, round(share * total)) if share > 0 else 0


def _draw(
    pool: IndexArray, labels: IndexArray, count: int, stratified: Part | None, rng: np.random.Generator
) -> IndexArray:
    """`count` of the indices in `pool`, in proportion to the classes for the part `stratified`, else at random.

    Seats are given out by largest remainder, ties at random; a class always keeps one sample outside.
    """
    if count == 0:
        return np.empty(0, np.int64)
    if stratified is None:
        return np.sort(rng.permutation(pool)[:count])
    shuffled = rng.permutation(pool)
    of_pool = labels[shuffled]
    sizes = np.bincount(of_pool)
    exact = sizes * (count / len(pool))
    seats = np.minimum(np.floor(exact).astype(np.int64), np.maximum(sizes - 1, 0))
    order = np.argsort(-(exact - seats) + rng.random(len(sizes)) * 1e-9, kind="stable")
    while (left := count - int(seats.sum())) > 0:
        open_classes = order[seats[order] < sizes[order] - 1][:left]
        if not len(open_classes):
            raise DataError(
                f"data.split.{stratified}: {count:,} of the {len(pool):,} samples left cannot be drawn while each of "
                f"{np.count_nonzero(sizes):,} classes keeps one for training; lower the share (data.split: "
                "{valid: 0, test: 0} trains on all), or set data.split.stratify to false"
            )
        seats[open_classes] += 1
    by_class = np.argsort(of_pool, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.empty(len(pool), np.int64)
    rank[by_class] = np.arange(len(pool)) - np.repeat(starts, sizes)
    return np.sort(shuffled[rank < seats[of_pool]])
