"""Geometric augmentations: maps that say where each pixel comes from, and one resampling for several of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from clfkit import rng
from clfkit.augmentations._pieces import changed, on_device

if TYPE_CHECKING:
    from torch import Tensor

Matrices = npt.NDArray[np.float64]
"""One for each sample (n, 3, 3), on homogeneous coordinates (x, y, 1) in pixels from the middle of the image, x to the
right and y down: from a place in the result to the place in the image that is seen there."""

Offsets = npt.NDArray[np.float64]
"""Control points (n, 2, rows, columns) from edge to edge of an image: how far from its own place a place in the result
is looked up before the matrix, in pixels to the right and down; smooth between the points."""

Pixel = Annotated[int, Field(ge=0, le=255)]


class Geometric(ABC):
    """An augmentation that moves pixels and leaves their values alone.

    Neighbours in a list become one resampling of their product, so that a picture is blurred once, however many moves
    it makes. fill: what is seen beyond the frame, None for a move that never looks there.
    """

    fill: int | None = None

    bends: bool = False
    """Whether there are offsets; no other member can be joined after one that bends."""

    @abstractmethod
    def matrices(self, draws: rng.Streams) -> Matrices:
        """Where every place of each result comes from."""

    def offsets(self, draws: rng.Streams) -> Offsets | None:
        """How places are bent before that; drawn after `matrices`."""
        return None

    def __call__(self, images: Tensor, draws: rng.Streams) -> Tensor:
        return resample_together([self], images, [draws])


def joined(members: Sequence[Geometric]) -> bool:
    """Whether these neighbours can be one resampling: they fill with the same value, or do not care, and only the last
    one bends."""
    return len({member.fill for member in members} - {None}) < 2 and not any(each.bends for each in members[:-1])


def resample_together(members: Sequence[Geometric], images: Tensor, draws: Sequence[rng.Streams]) -> Tensor:
    """Images (n, C, H, W) after all members in turn, with one interpolation."""
    each = [member.matrices(draw) for member, draw in zip(members, draws, strict=True)]
    fill = next((member.fill for member in members if member.fill is not None), None)
    return resample(images, reduce(np.matmul, each), fill, members[-1].offsets(draws[-1]))


def resample(images: Tensor, matrices: Matrices, fill: int | None, offsets: Offsets | None = None) -> Tensor:
    """Images (n, C, H, W) seen through their matrices, bilinear, as float32 that is not rounded.

    fill: the value beyond the frame, or None to go on with the pixels at its edge. Images whose matrix is the identity
    keep their values to the bit; a batch of nothing else is returned as it is.
    """
    height, width = images.shape[2:]
    moved = (matrices != np.eye(3)).any(axis=(1, 2))
    if offsets is not None:
        moved |= offsets.any(axis=(1, 2, 3))
    if not moved.any():
        return images
    scaled = on_device(matrices * [[2 / width], [2 / height], [1]], images.device)
    tilted = bool((matrices[:, 2] != [0, 0, 1]).any())
    lines = _lines(scaled, height, width, tilted=tilted)
    return changed(images, moved, partial(_sampled, fill=fill), scaled, *lines, offsets)


def _lines(matrices: Tensor, height: int, width: int, *, tilted: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """What columns (n, W) and rows (n, H) add to the places that are seen, x + iy; and to their depths (n, W + H).

    Sums of products, not a product of matrices: cheaper, and the same in a batch of any size.
    """
    import torch

    x = torch.arange(width, device=matrices.device, dtype=torch.float32) - (width - 1) / 2
    y = torch.arange(height, device=matrices.device, dtype=torch.float32) - (height - 1) / 2
    a, b, c = matrices[..., None].unbind(2)
    across, down = (a * x + c).transpose(1, 2), (b * y).transpose(1, 2)  # (n, W, 3), (n, H, 3)
    columns, rows = (torch.view_as_complex(each[..., :2].contiguous()) for each in (across, down))
    return columns, rows, torch.cat([across[..., 2], down[..., 2]], dim=1) if tilted else None


def _sampled(
    pixels: Tensor, matrices: Tensor, columns: Tensor, rows: Tensor, depths: Tensor | None, offsets: Tensor | None,
    *, fill: int | None,
) -> Tensor:  # fmt: skip
    from torch.nn.functional import grid_sample

    bent = None if offsets is None else _bent(matrices, offsets, *pixels.shape[2:])
    grid = _grid(columns, rows, depths, bent)
    if fill is None:
        return grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    found = grid_sample(pixels - fill if fill else pixels, grid, align_corners=False)
    return found.add_(fill) if fill else found


def _grid(columns: Tensor, rows: Tensor, depths: Tensor | None, bent: Tensor | None) -> Tensor:
    """The places that are seen (n, H, W, 2), from -1 to 1 across the image."""
    import torch

    # x and y as one complex number: their sums are one pass over memory that is read and written in a row
    grid = torch.view_as_real(columns[:, None, :] + rows[:, :, None])
    if bent is not None:
        grid += bent[:, :2].permute(0, 2, 3, 1)
    if depths is not None:
        across, down = depths.tensor_split([columns.shape[1]], dim=1)
        depth = across[:, None, :] + down[:, :, None]
        depth = depth if bent is None else depth + bent[:, 2]
        grid = grid.div_(depth.clamp_(min=1e-6)[..., None]).clamp_(-3, 3)  # beyond the horizon is far outside
    return grid


def _bent(matrices: Tensor, offsets: Tensor, height: int, width: int) -> Tensor:
    """The smooth offsets of all places through the linear part of the matrices (n, 3, H, W)."""
    from torch.nn.functional import interpolate

    right, down = interpolate(offsets, (height, width), mode="bicubic", align_corners=True).unbind(1)
    a, b = matrices[..., None, None].unbind(2)[:2]
    return a * right[:, None] + b * down[:, None]


def eyes(count: int) -> Matrices:
    """The identity for so many samples."""
    return np.tile(np.eye(3), (count, 1, 1))
