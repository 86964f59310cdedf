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
