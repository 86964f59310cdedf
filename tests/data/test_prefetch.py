"""Batches read ahead are the batches that are asked for, whatever is asked for."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from clfkit.data.bundle import IndexArray
from clfkit.data.prefetch import Prefetch
from clfkit.errors import DataError


class Slow:
    """Ten samples outside memory, and by whom which of them were read."""

    shape, dtype = (10, 1), np.dtype(np.uint8)

    def __init__(self) -> None:
        self.read: list[tuple[bool, list[int]]] = []

    def __len__(self) -> int:
        return 10

    def __getitem__(self, indices: IndexArray) -> np.ndarray:
        if 9 in indices:
            raise DataError("sample 9 is damaged")
        self.read.append((threading.current_thread() is threading.main_thread(), indices.tolist()))
        return indices[:, None].astype(np.uint8)


BATCHES = [np.array(batch) for batch in ([3, 1], [0, 0], [5, 8], [2, 7], [4])]


@pytest.mark.parametrize("workers", [0, 1, 2, 9])
def test_every_batch_is_read_once(workers: int) -> None:
    slow = Slow()
    inputs = Prefetch(slow, workers)
    got = [(indices.tolist(), inputs[indices][:, 0].tolist()) for indices in inputs.ahead(iter(BATCHES))]
    assert got == [(batch.tolist(), batch.tolist()) for batch in BATCHES]
    assert sorted(read for _, read in slow.read) == sorted(batch.tolist() for batch in BATCHES)
    assert {by_main for by_main, _ in slow.read} == {workers == 0}


def test_other_samples_beside_the_batch() -> None:
    inputs = Prefetch(Slow(), 2)
    for indices in inputs.ahead(BATCHES):
        assert inputs[indices[::-1]][:, 0].tolist() == indices[::-1].tolist()
        assert inputs[indices][:, 0].tolist() == indices.tolist()


def test_reading_ahead_ends_where_it_is_in_vain() -> None:
    slow = Slow()
    inputs = Prefetch(slow, 1)
    halves = [inputs[indices[:1]][:, 0].tolist() for indices in inputs.ahead(BATCHES)]
    assert halves == [batch[:1].tolist() for batch in BATCHES]
    assert len(slow.read) <= len(BATCHES) + 2


def test_an_epoch_that_is_left_leaves_no_thread() -> None:
    before = threading.active_count()
    batches = Prefetch(Slow(), 2).ahead(BATCHES)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_sample_that_cannot_be_read_is_named_in_its_turn() -> None:
    inputs, seen = Prefetch(Slow(), 2), []
    with pytest.raises(DataError, match="sample 9"):
        for indices in inputs.ahead([np.array([1]), np.array([9]), np.array([2])]):
            inputs[indices]
            seen.append(indices.tolist())
    assert seen == [[1]]
