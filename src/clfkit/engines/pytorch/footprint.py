"""The memory that training takes: what is counted, and what a GPU says."""

from __future__ import annotations

import gc
import traceback
import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from clfkit.freed_memory import give_back

CPU_WORDS = ("not enough memory", "can't allocate memory")
"""What a RuntimeError says when a processor has no memory left."""


class Activations:
    """The tensors that forward passes keep for backward passes, counted while it is entered.

    peak: the most bytes at a time; what several layers keep counts once, and weights do not.
    """

    def __init__(self, model: nn.Module) -> None:
        self.peak = self._now = 0
        self._own = {each.untyped_storage().data_ptr() for each in (*model.parameters(), *model.buffers())}
        self._holders: dict[int, int] = defaultdict(int)
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda held: held.tensor)

    def __enter__(self) -> Self:
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.__exit__(*error)

    def _keep(self, tensor: Tensor) -> _Held:
        held, storage = _Held(tensor), tensor.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
        if address not in self._own:
            if not self._holders[address]:
                self._now += size
                self.peak = max(self.peak, self._now)
            self._holders[address] += 1
            weakref.finalize(held, self._let_go, address, size)
        return held

    def _let_go(self, address: int, size: int) -> None:
        self._holders[address] -= 1
        if not self._holders[address]:
            self._now -= size


@dataclass
class _Held:
    """A tensor that is kept until its backward pass is over."""

    tensor: Tensor


def size_of(tensors: Iterable[object]) -> int:
    """Bytes of the tensors among these."""
    return sum(each.numel() * each.element_size() for each in tensors if isinstance(each, Tensor))


@contextmanager
def out_of_memory() -> Iterator[None]:
    """What torch raises when there is no memory left, as MemoryError."""
    try:
        yield
    except RuntimeError as error:
        if (lack := lack_of_memory(error)) is None:
            raise
        raise MemoryError(lack) from None


def lack_of_memory(error: RuntimeError) -> str | None:
    """What torch says when there is no memory left; None of any other error.

    The variables of the step that failed are cleared: its tensors would else live as long as the error is looked at.
    """
    text = str(error)
    if not isinstance(error, torch.OutOfMemoryError) and not any(words in text for words in CPU_WORDS):
        return None
    traceback.clear_frames(error.__traceback__)
    release()
    return text.splitlines()[0]


def release() -> None:
    """Give memory that nothing refers to back to the GPU, so that it counts as free, and to the system."""
    gc.collect()
    give_back()
    torch.cuda.empty_cache()


def peak_of(device: torch.device) -> tuple[int, int] | None:
    """The most bytes that were in use since the last call, and how many there are for this process; on a CPU None."""
    if device.type != "cuda":
        return None
    peak = torch.cuda.max_memory_allocated(device)
    free, _ = torch.cuda.mem_get_info(device)
    torch.cuda.reset_peak_memory_stats(device)
    return peak, free + torch.cuda.memory_reserved(device)
