"""Batches worked through in pieces that fit a processor's caches, samples that stay as they are left out."""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

PLACES = {"cpu": 1 << 17}
"""Places of images that are worked out at a time; they bound memory, and fit a processor's caches."""

MANY_PLACES = 1 << 24
"""The same for devices with thousands of cores."""

HUGE_BYTES = 8 << 20
"""Results of so many bytes are new memory every time, and asked of the system in huge pages."""


def changed(
    images: Tensor, chosen: npt.NDArray[np.bool_], change: Callable[..., Tensor], *amounts: npt.NDArray[Any]
) -> Tensor:
    """Images (n, C, H, W) as float32, the chosen ones (n,) replaced by what `change` makes of them.

    change: images (m, C, H, W) in float32 and the amounts (m, …) that belong to them → images of that shape, never
    in place. If no image is chosen, the batch is returned as it is.
    """
    import torch

    places = np.flatnonzero(chosen)
    if not len(places):
        return images
    everything = len(places) == len(images)
    result = _empty_like(images) if everything else images.to(torch.float32, copy=True)
    size = max(1, PLACES.get(images.device.type, MANY_PLACES) // (images.shape[2] * images.shape[3]))
    for start in range(0, len(places), size):
        part = places[start : start + size]
        at = slice(start, start + size) if everything else torch.from_numpy(part).to(images.device)
        own = (torch.from_numpy(each[part].astype(np.float32)).to(images.device) for each in amounts)
        result[at] = change(images[at].to(torch.float32), *own)
    return result


def _empty_like(images: Tensor) -> Tensor:
    """Memory for float32 of that shape. Pages of 2 MB where the system has them: fetching small ones costs more than
    filling them."""
    import torch

    size = 4 * math.prod(images.shape)
    if images.device.type == "cpu" and size >= HUGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # memory is short: torch may find some, or says so
            memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            with contextlib.suppress(OSError):  # a system that has none
                memory.madvise(mmap.MADV_HUGEPAGE)
            return torch.frombuffer(memory, dtype=torch.float32).view(images.shape)
    return torch.empty(images.shape, dtype=torch.float32, device=images.device)
