"""Augmentations: random changes of train samples that leave their labels right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from clfkit import rng
from clfkit.components import NoOptions, augmentations
from clfkit.data.bundle import DataSpec, IndexArray
from clfkit.registry import Component

Augmentation = Callable[[Any, rng.Streams], Any]
"""A batch (n, …) as the dataset has it (pixels 0 to 255, features unscaled), in the arrays of the engine that it is
built for, and a stream of random numbers for each of its samples → the batch, changed; never in place."""


class Augmenter:
    """The augmentations of an experiment, one after the other.

    What happens to a sample is a function of the epoch's key and the sample's own index: the same in a batch of any
    size, at any place in it, and after a resume.
    """

    def __init__(self, chosen: Sequence[Component[NoOptions]], spec: DataSpec, engine: str) -> None:
        self._chain: list[Augmentation] = [augmentations.build(each, spec, engine=engine) for each in chosen]
        self._runs = _runs(self._chain)

    def __bool__(self) -> bool:
        return bool(self._chain)

    def __call__(self, batch: Any, key: int, samples: IndexArray) -> Any:
        """The batch of the train samples at the indices `samples`, in the epoch of that key."""
        from clfkit.augmentations._geometry import Geometric, resample_together

        place = 0
        for run in self._runs:
            draws = [rng.Streams(rng.key(key, "augmentation", place + at), samples) for at in range(len(run))]
            place += len(run)
            if len(run) == 1:
                batch = run[0](batch, draws[0])
            else:
                batch = resample_together([each for each in run if isinstance(each, Geometric)], batch, draws)
        return batch


def _runs(chain: Sequence[Augmentation]) -> list[list[Augmentation]]:
    """The members in their order, geometric neighbours that can be one resampling together."""
    from clfkit.augmentations._geometry import Geometric, joined

    runs: list[list[Augmentation]] = []
    for member in chain:
        moves = [each for each in (*(runs[-1] if runs else ()), member) if isinstance(each, Geometric)]
        if runs and len(moves) == len(runs[-1]) + 1 and joined(moves):
            runs[-1].append(member)
        else:
            runs.append([member])
    return runs
