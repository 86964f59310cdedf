"""Batches worked through in pieces that fit a processor's caches, samples that stay as they are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clfkit.freed_memory import empty

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PLACES = {"cpu": 1 << 16}
"""Places of images that are worked out at a time; they bound memory, and fit a processor's caches."""

MANY_PLACES = 1 << 24
"""The same for devices with thousands of cores."""


def changed(
    images: Tensor, chosen: npt.NDArray[np.bool_], change: Callable[..., Tensor],
    *amounts: npt.NDArray[Any] | Tensor | None,
) -> Tensor:  # fmt: skip
    """Images (n, C, H, W) as float32, the chosen ones (n,) replaced by what `change` makes of them.

    change: images (m, C, H, W) in float32 and the amounts (m, …) that belong to them → images of that shape, never
    in place. Amounts are arrays, or tensors that are on the images' device; an absent one stays None. If no image is
    chosen, the batch is returned as it is.
    """
    import torch

    places = np.flatnonzero(chosen)
    if not len(places):
        return images
    everything = len(places) == len(images)
    result = empty(images.shape, torch.float32, images.device)
    if not everything:
        result.copy_(images)
    there = [on_device(each, images.device) if isinstance(each, np.ndarray) else each for each in amounts]
    size = max(1, PLACES.get(images.device.type, MANY_PLACES) // (images.shape[2] * images.shape[3]))
    for start in range(0, len(places), size):
        at = slice(start, start + size)
        own = at if everything else torch.from_numpy(places[at]).to(images.device)
        result[own] = change(images[own].to(torch.float32), *(None if each is None else each[own] for each in there))
    return result


def on_device(numbers: npt.NDArray[Any], device: torch.device) -> Tensor:
    """These numbers as float32 on a device."""
    import torch

    return torch.from_numpy(numbers.astype(np.float32)).to(device)
