"""Randomness as a pure function of (seed, purpose, position): no stream depends on what was drawn before."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def key(seed: int, purpose: str, *position: int) -> int:
    """A 63-bit number that belongs to this seed, purpose and position alone.

    Example: `key(42, "dropout", step)` seeds the dropout masks of one step.
    """
    text = f"{seed}\0{purpose}\0" + "\0".join(map(str, position))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, purpose: str, *position: int) -> np.random.Generator:
    """A NumPy generator that starts at `key(seed, purpose, *position)`."""
    return np.random.Generator(np.random.PCG64(key(seed, purpose, *position)))


class Streams:
    """A stream of random numbers for each of many samples, drawn from all of them at once.

    The stream of a sample is a function of the key and the sample's index alone, so it does not matter in which batch
    it comes. It is SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014), begun
    at a hash of key and index: number j is a hash of start + (j + 1) γ, which NumPy finds for all samples and j
    together.
    """

    GAMMA = np.uint64(0x9E3779B97F4A7C15)
    BETA_TRIES = 48

    def __init__(self, key: int, samples: npt.NDArray[np.int64]) -> None:
        self._starts = _mixed(np.uint64(key) + self.GAMMA * samples.astype(np.uint64))
        self._drawn = 0

    def __len__(self) -> int:
        return len(self._starts)

    def bits(self, count: int) -> npt.NDArray[np.uint64]:
        """The next `count` numbers of 64 random bits for each sample, shape (samples, count)."""
        places = np.arange(self._drawn + 1, self._drawn + count + 1, dtype=np.uint64)
        self._drawn += count
        return _mixed(self._starts[:, None] + self.GAMMA * places)

    def uniform(self, count: int) -> npt.NDArray[np.float64]:
        """The next `count` numbers from 0 to below 1 for each sample, shape (samples, count)."""
        return (self.bits(count) >> np.uint64(11)).astype(np.float64) * np.float64(2.0**-53)

    def whole(self, count: int, below: int) -> npt.NDArray[np.int64]:
        """The next `count` whole numbers from 0 to below `below` for each sample, shape (samples, count)."""
        return (self.uniform(count) * below).astype(np.int64)

    def beta(self, alpha: float) -> npt.NDArray[np.float64]:
        """A number from 0 to 1 for each sample, shape (samples,), from Beta(α, α) with 0 < α ≤ 1.

        The first that Jöhnk's method (1964) accepts of `BETA_TRIES` pairs, each with a chance of at least a half.
        Powers U^(1/α) of small α underflow, so their logarithms are compared.
        """
        with np.errstate(divide="ignore"):
            powers = np.log(self.uniform(2 * self.BETA_TRIES)) / alpha
        x, y = powers[:, ::2], powers[:, 1::2]
        sums = np.logaddexp(x, y)
        accepted = np.argmax(sums <= 0, axis=1)[:, None]
        shares: npt.NDArray[np.float64] = np.exp(np.take_along_axis(x - sums, accepted, axis=1)[:, 0])
        return shares


def _mixed(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The output function of SplitMix64: each bit of the result depends on each bit of z (Stafford's variant 13)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


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
