"""Mixings: two train samples made into one that bears both labels, each by a share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clfkit import rng
from clfkit.components import NoOptions, mixings
from clfkit.data.bundle import DataSpec, IndexArray
from clfkit.registry import Component

if TYPE_CHECKING:
    from torch import Tensor

Shares = npt.NDArray[np.float64]
"""For each sample (n,) from 0 to 1, how much of it bears its own label; the rest bears its partner's."""

Mixing = Callable[["Tensor", "Tensor", rng.Streams], "tuple[Tensor, Shares]"]
"""Samples (n, …), a partner for each of them, and a stream of random numbers for each → the mixed samples, never made
in place, and their shares."""


class Mixer:
    """The mixing of an experiment, with the choice of partners.

    Whom a sample is mixed with, and how, is a function of the epoch's key and the sample's own index: the same in a
    batch of any size, at any place in it, and after a resume.
    """

    def __init__(self, chosen: Component[NoOptions], spec: DataSpec, samples: int) -> None:
        self._mix: Mixing = mixings.build(chosen, spec)
        self._samples = samples

    def partners(self, key: int, samples: IndexArray) -> IndexArray:
        """The partner of each of these train samples in the epoch of that key: any sample of the train split."""
        return rng.Streams(rng.key(key, "partner"), samples).whole(1, self._samples)[:, 0]

    def __call__(self, inputs: Tensor, others: Tensor, key: int, samples: IndexArray) -> tuple[Tensor, Shares]:
        """The train samples at the indices `samples` mixed with their partners, and how much is left of each."""
        return self._mix(inputs, others, rng.Streams(rng.key(key, "mixing"), samples))
