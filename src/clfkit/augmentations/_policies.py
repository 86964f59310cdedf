"""Operations that RandAugment and TrivialAugment draw from, each sample one of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clfkit.augmentations import _colour
from clfkit.augmentations._geometry import resample
from clfkit.augmentations._pieces import changed
from clfkit.augmentations.affine import inverse_affine
from clfkit.data.bundle import IndexArray

if TYPE_CHECKING:
    from torch import Tensor

Amounts = npt.NDArray[np.float64]
"""One for each image, shape (n,)."""


@dataclass(frozen=True)
class Operation:
    """Something that is done to images (n, C, H, W) by amounts.

    An amount lies `gentle` (of RandAugment) or `wide` (of TrivialAugment) at most from `still`, where nothing happens;
    to either side where it is `signed`.
    """

    apply: Callable[[Tensor, Amounts], Tensor]
    gentle: float = 0.0
    wide: float = 0.0
    still: float = 0.0
    signed: bool = True

    def amounts(self, magnitudes: Amounts, signs: npt.NDArray[np.bool_], *, wide: bool) -> Amounts:
        """The amounts for magnitudes from 0 to 1, and for those to the negative side."""
        reach = self.wide if wide else self.gentle
        return self.still + reach * magnitudes * np.where(signs & self.signed, -1, 1)


def operations(shape: tuple[int, ...], fill: int) -> list[Operation]:
    """The operations of both papers with the ranges of torchvision, for images of that shape.

    Two differences: moves reach 150 / 331 of the image in both, since 32 pixels would be out of sight in small ones;
    slanting is about the middle.
    """
    _, height, width = shape

    def moved(images: Tensor, amounts: Amounts, *, which: str) -> Tensor:
        none = np.zeros_like(amounts)
        parts = {"degrees": none, "right": none, "down": none, "slant_x": none, "slant_y": none, which: amounts}
        return resample(images, inverse_affine(scale=none + 1, **parts), fill)

    def slanted(images: Tensor, amounts: Amounts, *, which: str) -> Tensor:
        return moved(images, np.degrees(np.arctan(amounts)), which=which)

    def by(change: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Amounts], Tensor]:
        return lambda images, amounts: changed(images, np.ones(len(images), bool), change, amounts)

    def alike(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Amounts], Tensor]:
        return lambda images, _: changed(images, np.ones(len(images), bool), change)

    far = 150 / 331
    factors = (_colour.brightened, _colour.saturated, _colour.contrasted, _colour.sharpened)
    return [
        Operation(lambda images, _: images),
        Operation(partial(slanted, which="slant_x"), 0.3, 0.99),
        Operation(partial(slanted, which="slant_y"), 0.3, 0.99),
        Operation(partial(moved, which="right"), far * width, far * width),
        Operation(partial(moved, which="down"), far * height, far * height),
        Operation(partial(moved, which="degrees"), 30.0, 135.0),
        *(Operation(by(change), 0.9, 0.99, still=1.0) for change in factors),
        Operation(by(_colour.posterised), 4.0, 6.0, signed=False),
        Operation(by(_colour.solarised), -255.0, -255.0, still=255.0, signed=False),
        Operation(alike(_colour.stretched)),
        Operation(alike(_colour.equalised)),
    ]


def applied(
    images: Tensor, every: Sequence[Operation], drawn: IndexArray, magnitudes: Amounts,
    signs: npt.NDArray[np.bool_], *, wide: bool,
) -> Tensor:  # fmt: skip
    """Images, each after the operation that was drawn for it (n,); those of one operation go through it together."""
    import torch

    result = images.to(torch.float32, copy=True)
    for number in np.unique(drawn):
        group = np.flatnonzero(drawn == number)
        at = torch.from_numpy(group).to(images.device)
        amounts = every[number].amounts(magnitudes[group], signs[group], wide=wide)
        result[at] = every[number].apply(result[at], amounts)
    return result
