"""Randomness as a pure function of (seed, purpose, position): no stream depends on what was drawn before."""

from __future__ import annotations

import hashlib

import numpy as np


def key(seed: int, purpose: str, *position: int) -> int:
    """A 63-bit number that belongs to this seed, purpose and position alone.

    Example: `key(42, "dropout", step)` seeds the dropout masks of one step.
    """
    text = f"{seed}\0{purpose}\0" + "\0".join(map(str, position))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, purpose: str, *position: int) -> np.random.Generator:
    """A NumPy generator that starts at `key(seed, purpose, *position)`."""
    return np.random.Generator(np.random.PCG64(key(seed, purpose, *position)))


class Restartable:
    """A generator that can be put at the start of the stream of any key, faster than a new one is made.

    The three words of SFC64's state come from a hash of the key, so that streams of neighbouring keys have nothing in
    common; the fourth is a counter from 1 on, as in NumPy's own seeding.
    """

    def __init__(self) -> None:
        self._bits = np.random.SFC64(0)
        self._state = self._bits.state
        self.generator = np.random.Generator(self._bits)

    def restart(self, key: int) -> None:
        """Put `generator` at the start of the stream of `key`."""
        digest = hashlib.blake2b(key.to_bytes(8, "little"), digest_size=24).digest()
        words = self._state["state"]["state"]
        words[:3] = np.frombuffer(digest, "<u8")
        words[3] = 1
        self._bits.state = self._state
