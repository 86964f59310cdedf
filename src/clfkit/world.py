"""The processes that train one model together; by default this one alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class World:
    """This process, number `rank` of `size`, `machine_size` of them on its machine. By itself it is all there is.

    Methods that say "together" must be called by all processes in the same order. A world of several:
    `clfkit.engines.pytorch.world`.
    """

    rank = 0
    size = 1
    machine_size = 1
    grace = 0.0
    """Seconds in which a second Ctrl-C is taken for the first one, passed on by whoever started the processes."""

    def share(self, samples: int, pieces: int = 1) -> list[slice]:
        """Which of `samples` are this process's own, in each piece that they are cut into; some may be empty."""
        return [
            slice(start + count * self.rank // self.size, start + count * (self.rank + 1) // self.size)
            for start, count in cut(samples, pieces)
        ]

    def total(self, value: Any) -> Any:
        """Together: the sum of a number or 0-d tensor over all processes."""
        return value

    def gather(self, array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Together: everybody's array in the order of ranks; all but the first axis agree."""
        return [array]

    def largest(self, *numbers: int) -> tuple[int, ...]:
        """Together: the largest that anyone has, of each number. Also waits for everybody."""
        return numbers

    def first(self, text: str) -> str:
        """Together: the text of rank 0."""
        return text

    def learner(self, model: Any) -> Any:
        """Together: the model as it is to be called in training, so that gradients are averaged over all processes."""
        return model

    def piece(self, learner: Any, number: int, samples: int, pieces: int = 1) -> AbstractContextManager[object]:
        """While this process's share of one of the pieces of a batch goes forward and backward.

        What samples do not go through alone (batch norm, draws) is done for the piece as a whole; gradients are
        exchanged with the last one.
        """
        return nullcontext()

    def guard(self) -> AbstractContextManager[object]:
        """While it lasts the loss of another process raises WorkerLost."""
        return nullcontext()

    def leave(self) -> None:
        """Together: part; from now on this process is by itself, under its old rank."""

    def report(self, message: str) -> None:
        """Leave word of why this process ends, for the one that speaks to the user."""

    def await_first(self) -> None:
        """Until rank 0 has finished its work, or a minute has passed."""


def cut(samples: int, pieces: int) -> Iterator[tuple[int, int]]:
    """(start, count) of at most so many pieces of equal size, the last one perhaps smaller; as torch.chunk."""
    size = max(1, -(-samples // pieces))
    for start in range(0, max(1, samples), size):
        yield start, min(size, samples - start)


def own(indices: npt.NDArray[np.int64], shares: list[slice]) -> npt.NDArray[np.int64]:
    """The indices of these shares, one after the other."""
    import numpy as np

    return indices[shares[0]] if len(shares) == 1 else np.concatenate([indices[share] for share in shares])
