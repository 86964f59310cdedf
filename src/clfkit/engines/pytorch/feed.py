"""Samples on their way to the model: resident as one tensor when they lie in memory, else gathered per batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import tee

import numpy as np
import torch
from torch import Tensor, nn

from clfkit.augmentations import Augmenter
from clfkit.data.batches import all_in_order
from clfkit.data.bundle import DataSpec, IndexArray, Inputs, Split
from clfkit.data.prefetch import AUTO_WORKERS, Prefetch
from clfkit.engines.pytorch.footprint import release
from clfkit.errors import UsageError
from clfkit.freed_memory import empty
from clfkit.interruption import give_way
from clfkit.world import World, own

PIECE_NUMBERS = {"cpu": 1 << 19}
"""Numbers of a large batch that are normalised at a time: so many fit a processor's caches."""

RESIDENT_SHARE = 0.5
"""Largest share of a GPU's free memory that samples may occupy."""


class Normalizer(nn.Module):
    """(x - mean) / std with the statistics of the train split, in the model's type on the device, wherever x lies.

    Features are standardised in float64, since float32 cannot tell timestamps apart before their mean is gone.
    `scale` is 1 / std for pixels, std for features.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        spec: DataSpec,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        layout: torch.memory_format = torch.contiguous_format,
    ) -> None:
        super().__init__()
        self._dtype, self._layout, self._device = dtype, layout, device
        self._image = spec.inputs == "image"
        # Features on the CPU where the device has no float64, which Metal has not.
        at = torch.device("cpu") if device.type == "mps" and not self._image else device
        exact_std = torch.tensor(spec.std, dtype=torch.float64)
        scale = (1 / exact_std).to(dtype) if self._image else exact_std
        shape = (1, -1) + (1,) * (len(spec.shape) - 1)
        mean = torch.tensor(spec.mean, dtype=dtype if self._image else torch.float64)
        self.register_buffer("mean", mean.to(at).reshape(shape), persistent=False)
        self.register_buffer("scale", scale.to(at).reshape(shape), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Raw samples (n, …) → normalised ones, on the device; those of a large batch in pieces."""
        there = inputs.to(self.mean.device)
        piece = PIECE_NUMBERS.get(there.device.type, there.numel())
        if self._image and there.numel() > piece:
            return self._in_pieces(there, max(1, piece // there[0].numel())).to(self._device)
        return self.standardized(there).to(self._device)

    def standardized(self, inputs: Tensor) -> Tensor:
        """The same of samples that lie where the statistics do; one formula for any number, as exports need."""
        if not self._image:
            return ((inputs.double() - self.mean) / self.scale).to(self._dtype)
        pixels = inputs.to(self._dtype, memory_format=self._layout)
        if inputs.dtype == torch.uint8:
            return pixels.sub_(self.mean).mul_(self.scale)
        return (pixels - self.mean).mul_(self.scale)  # between bytes, from augmentations; float32 holds those as well

    def _in_pieces(self, inputs: Tensor, size: int) -> Tensor:
        """The numbers of `standardized`, of so many images at a time: calculated as (n, C, H, W), which is faster, and
        only then laid out as the model wants them."""
        count, channels, height, width = inputs.shape
        last = self._layout == torch.channels_last
        if last:
            result = empty((count, height, width, channels), self._dtype, inputs.device).permute(0, 3, 1, 2)
        else:
            result = empty(inputs.shape, self._dtype, inputs.device)
        for start in range(0, count, size):
            piece, target = inputs[start : start + size], result[start : start + size]
            pixels = piece.to(self._dtype, copy=True) if last else target.copy_(piece)
            pixels.sub_(self.mean).mul_(self.scale)
            if last:
                target.copy_(pixels)
        return result


class Feed:
    """Batches of normalised inputs and labels of one split, on the device; augmented before they are normalised."""

    def __init__(
        self,
        split: Split,
        normalize: Normalizer,
        device: torch.device,
        resident: bool | str = "auto",
        augment: Augmenter | None = None,
        workers: int | str = "auto",
    ) -> None:
        self._normalize = normalize
        self._augment = augment
        self._device = device
        self._labels = torch.from_numpy(np.ascontiguousarray(split.labels)).to(device)
        self._inputs: Inputs | Tensor = split.inputs
        self._ready = False  # already normalised: features are, pixels stay uint8 until they are needed
        if resident is True and not isinstance(split.inputs, np.ndarray):
            raise UsageError("train.resident: the images do not fit into data.memory, so they are read batch by batch")
        if isinstance(split.inputs, np.ndarray) and (
            fits(split.inputs.nbytes, device) if resident == "auto" else resident
        ):
            samples = torch.from_numpy(np.ascontiguousarray(split.inputs))
            self._ready = samples.dtype != torch.uint8 and not augment
            self._inputs = normalize(samples) if self._ready else samples.to(device)
        elif not isinstance(split.inputs, np.ndarray):
            self._inputs = Prefetch(split.inputs, AUTO_WORKERS if isinstance(workers, str) else workers)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def resident(self) -> bool:
        """Whether all samples lie on the device."""
        return isinstance(self._inputs, Tensor)

    @property
    def nbytes(self) -> int:
        """Bytes of the samples that lie on the device."""
        return self._inputs.nbytes if isinstance(self._inputs, Tensor) else 0

    def ahead(self, batches: Iterator[IndexArray], world: World | None = None, pieces: int = 1) -> Iterator[IndexArray]:
        """The batches as they are; where samples lie outside memory, the following ones are being read meanwhile.

        world, pieces: one of several processes reads its own share alone, of batches that are cut into so many pieces.
        """
        if not isinstance(self._inputs, Prefetch):
            return batches
        if world is None or world.size == 1:
            return self._inputs.ahead(batches)
        batches, again = tee(batches)
        mine = self._inputs.ahead(own(batch, world.share(len(batch), pieces)) for batch in again)
        return (batch for batch, _ in zip(batches, mine, strict=True))

    def batch(self, indices: IndexArray, key: int = 0) -> tuple[Tensor, Tensor]:
        """Inputs (n, …) and labels (n,) of the samples at `indices`.

        key: that of the epoch, where samples are augmented.
        """
        give_way()
        if isinstance(self._inputs, Tensor) and all_in_order(indices, len(self)):
            return self._normalized(self._inputs, indices, key), self._labels
        at = torch.from_numpy(indices).to(self._device)
        if isinstance(self._inputs, Tensor):
            chosen = self._inputs.index_select(0, at)  # copies whole samples; by brackets it would go number by number
            return self._normalized(chosen, indices, key), self._labels[at]
        samples = torch.from_numpy(np.ascontiguousarray(self._inputs[indices])).to(self._device)
        return self._normalized(samples, indices, key), self._labels[at]

    def _normalized(self, inputs: Tensor, indices: IndexArray, key: int) -> Tensor:
        if self._augment and len(indices):  # one of several processes may have none
            inputs = self._augment(inputs, key, indices)
        return inputs if self._ready else self._normalize(inputs)


def fits(size: int, device: torch.device) -> bool:
    """Whether `size` bytes of samples may lie on the device; on a CPU they are in its memory already."""
    if device.type != "cuda":
        return True
    release()
    free, _ = torch.cuda.mem_get_info(device)
    return size <= RESIDENT_SHARE * free
