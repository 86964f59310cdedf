"""Streams are functions of seed, purpose and position."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, chisquare, kstest

from clfkit import rng


@given(
    st.integers(0, 2**63 - 1),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    st.integers(0, 2**40),
)
def test_key_is_a_63_bit_number_and_repeats(seed: int, purpose: str, position: int) -> None:
    key = rng.key(seed, purpose, position)
    assert 0 <= key < 2**63
    assert rng.key(seed, purpose, position) == key
    assert (rng.generator(seed, purpose, position).random(3) == rng.generator(seed, purpose, position).random(3)).all()


def test_keys_differ_in_every_argument() -> None:
    places = [(s, p, *at) for s in range(20) for p in ("step", "order") for at in ((), (0,), (1,), (0, 1), (10,))]
    assert len({rng.key(*place) for place in places}) == len(places)
    assert rng.key(1, "a", 23) != rng.key(1, "a", 2, 3)
    assert rng.key(11, "a") != rng.key(1, "1a")


def test_keys_stay_what_they_are() -> None:
    """Checkpoints of earlier versions resume with the same random numbers only while these hold."""
    assert rng.key(42, "step", 0) == 1798991572299195259
    assert rng.generator(42, "order", 3).permutation(5).tolist() == [4, 3, 1, 0, 2]


def test_streams_of_neighbouring_positions_are_independent() -> None:
    draws = np.array([rng.generator(7, "order", position).random(500) for position in range(8)])
    correlation = np.corrcoef(draws) - np.eye(8)
    assert np.abs(correlation).max() < 0.2


def splitmix64(state: int) -> Iterator[int]:
    """The published algorithm, with whole numbers of Python."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        yield z ^ (z >> 31)


def test_splitmix64_is_the_published_one() -> None:
    """The first numbers of seed 1234567, as everybody's tests have them."""
    assert list(islice(splitmix64(1234567), 3)) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**40))
def test_stream_of_a_sample_is_splitmix64(key: int, sample: int) -> None:
    streams = rng.Streams(key, np.array([3, sample]))
    start = next(splitmix64((key + 0x9E3779B97F4A7C15 * (sample - 1)) % 2**64))  # a hash of key + γ sample
    assert [*streams.bits(2)[1].tolist(), *streams.bits(3)[1].tolist()] == list(islice(splitmix64(start), 5))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20), st.integers(1, 5), st.randoms())
def test_streams_do_not_depend_on_the_batch(samples: list[int], count: int, random: Random) -> None:
    whole = rng.Streams(17, np.array(samples)).uniform(count)
    order = random.sample(range(len(samples)), len(samples))
    assert np.array_equal(rng.Streams(17, np.array(samples)[order]).uniform(count), whole[order])
    assert np.array_equal(rng.Streams(17, np.array(samples[:1])).uniform(count), whole[:1])


def test_streams_stay_what_they_are() -> None:
    """Runs of earlier versions resume with the same augmentations only while these hold."""
    assert rng.Streams(42, np.array([0, 7])).whole(3, 1000).tolist() == [[596, 160, 166], [781, 207, 816]]


@pytest.mark.parametrize("key", [0, 1, 2**63 - 1, rng.key(42, "epoch", 3)])
def test_streams_are_uniform_and_independent(key: int) -> None:
    numbers = rng.Streams(key, np.arange(20_000)).uniform(4)
    assert numbers.min() >= 0 and numbers.max() < 1
    for column in numbers.T:
        assert kstest(column, "uniform").pvalue > 1e-4
        assert kstest(np.diff(column)[::2] % 1, "uniform").pvalue > 1e-4, "neighbouring samples"
    pairs = np.histogram2d(*numbers[:, :2].T, bins=16, range=[(0, 1), (0, 1)])[0]
    assert chisquare(pairs.ravel()).pvalue > 1e-4, "two numbers of one sample"
    other = rng.Streams(key ^ 1, np.arange(20_000)).uniform(4)
    together = np.corrcoef(np.hstack([numbers, other]).T) - np.eye(8)
    assert np.abs(together).max() < 0.03, "about four standard deviations"


@pytest.mark.parametrize("below", [1, 2, 5, 9])
def test_whole_numbers_are_equally_likely(below: int) -> None:
    numbers = rng.Streams(5, np.arange(9000)).whole(2, below)
    assert numbers.min() == 0 and numbers.max() == below - 1
    assert below == 1 or chisquare(np.bincount(numbers.ravel())).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.7, 1.0])
def test_beta_is_scipys(alpha: float) -> None:
    numbers = rng.Streams(11, np.arange(20_000)).beta(alpha)
    assert numbers.min() >= 0 and numbers.max() <= 1
    edges = beta(alpha, alpha).ppf(np.linspace(0, 1, 17))
    assert chisquare(np.histogram(numbers, edges)[0]).pvalue > 1e-4
    assert rng.Streams(11, np.array([19_999])).beta(alpha)[0] == numbers[-1]
