"""The memory that training takes: what is counted, and what a GPU says."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

CPU_WORDS = ("not enough memory", "can't allocate memory")
"""What a RuntimeError says when a processor has no memory left."""


@contextmanager
def kept_for_backward(model: nn.Module) -> Iterator[dict[int, int]]:
    """Bytes of each tensor that the forward pass keeps for the backward pass, by address; weights are left out.

    What two layers keep together counts once, and pieces of a batch that come one after the other once too, where they
    take the same memory.
    """
    kept: dict[int, int] = {}
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield kept


def size_of(tensors: Iterable[object]) -> int:
    """Bytes of the tensors among these."""
    return sum(each.numel() * each.element_size() for each in tensors if isinstance(each, Tensor))


@contextmanager
def out_of_memory() -> Iterator[None]:
    """What torch raises when there is no memory left, as MemoryError.

    The variables of the step that failed are cleared: its tensors would else live as long as the error is looked at.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if not isinstance(error, torch.OutOfMemoryError) and not any(words in text for words in CPU_WORDS):
            raise
        traceback.clear_frames(error.__traceback__)
        release()
        raise MemoryError(text.splitlines()[0]) from None


def release() -> None:
    """Give a GPU's memory that nothing refers to back to it, so that it counts as free."""
    gc.collect()
    torch.cuda.empty_cache()


def peak_of(device: torch.device) -> tuple[int, int] | None:
    """The most bytes that were in use since the last call, and how many there are for this process; on a CPU None."""
    if device.type != "cuda":
        return None
    peak = torch.cuda.max_memory_allocated(device)
    free, _ = torch.cuda.mem_get_info(device)
    torch.cuda.reset_peak_memory_stats(device)
    return peak, free + torch.cuda.memory_reserved(device)
