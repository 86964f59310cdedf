"""Streams are functions of seed, purpose and position."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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
