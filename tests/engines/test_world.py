"""Two processes train as one does: the same samples a step, the same weights, the same totals."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from numpy.testing import assert_allclose, assert_array_equal
from world_cases import CASES, results

from clfkit.errors import UsageError
from clfkit.world import World, own


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what each of two processes found in every case."""
    folder = tmp_path_factory.mktemp("pair")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    place = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    command = [sys.executable, str(Path(__file__).with_name("world_cases.py")), str(folder)]
    processes = [subprocess.Popen(command, env={**place, "RANK": str(rank)}) for rank in range(2)]
    try:
        assert [process.wait(120) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_what_one_gives(pair: Path, case: str) -> None:
    alone = results(case, World())
    for rank in range(2):
        found = np.load(pair / f"{case}-{rank}.npz")
        assert set(found) == set(alone)
        for name, array in alone.items():
            assert_allclose(found[name], array, rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_both_processes_hold_the_same_bits(pair: Path, case: str) -> None:
    first, second = (np.load(pair / f"{case}-{rank}.npz") for rank in range(2))
    for name in first:
        assert_array_equal(first[name], second[name], err_msg=name)


@given(some.integers(1, 60), some.integers(1, 7), some.integers(1, 5))
def test_shares_are_disjoint_and_complete(samples: int, pieces: int, size: int) -> None:
    found = []
    for rank in range(size):
        world = World()
        world.rank, world.size = rank, size
        shares = world.share(samples, pieces)
        assert len(shares) <= pieces
        found.append(own(np.arange(samples), shares))
    assert sorted(np.concatenate(found)) == list(range(samples))
    assert max(map(len, found)) - min(map(len, found)) <= pieces


def test_a_half_described_world_is_refused() -> None:
    from clfkit.engines.pytorch.world import TorchWorld

    with pytest.raises(UsageError, match="MASTER_ADDR, MASTER_PORT: torchrun sets them"):
        TorchWorld({"RANK": "1", "WORLD_SIZE": "2"})
