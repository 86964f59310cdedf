"""Batches worked through in pieces that fit a processor's caches, samples that stay as they are left out."""

from __future__ import annotations

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
    result = torch.empty_like(images, dtype=torch.float32) if everything else images.to(torch.float32, copy=True)
    size = max(1, PLACES.get(images.device.type, MANY_PLACES) // (images.shape[2] * images.shape[3]))
    for start in range(0, len(places), size):
        part = places[start : start + size]
        at = slice(start, start + size) if everything else torch.from_numpy(part).to(images.device)
        own = (torch.from_numpy(each[part].astype(np.float32)).to(images.device) for each in amounts)
        result[at] = change(images[at].to(torch.float32), *own)
    return result
