"""Colours of images (n, C, H, W) from 0 to 255 in float32, changed by an amount (n,) for each, as torchvision does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def brightened(images: Tensor, factors: Tensor) -> Tensor:
    """All values times the factor: 0 is black."""
    return (images * _each(factors)).clamp_(0, 255)


def contrasted(images: Tensor, factors: Tensor) -> Tensor:
    """Distances from the mean grey times the factor: 0 is one grey."""
    mean = greys(images).sum(3, keepdim=True).sum(2, keepdim=True)  # in two steps, the same in a batch of any size
    return _blended(images, mean / (images.shape[2] * images.shape[3]), factors)


def saturated(images: Tensor, factors: Tensor) -> Tensor:
    """Distances from each pixel's grey times the factor: 0 is a grey picture. Grey images stay as they are."""
    return images if images.shape[1] == 1 else _blended(images, greys(images), factors)


def greys(images: Tensor) -> Tensor:
    """The lightness (n, 1, H, W) by ITU-R 601; grey images as they are."""
    if images.shape[1] == 1:
        return images
    return 0.2989 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]


def turned(images: Tensor, shares: Tensor) -> Tensor:
    """Hues moved by that share of the whole circle; lightness and saturation of HSV stay. Grey images stay too."""
    import torch

    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    value = images.amax(1)
    spread = value - images.amin(1)
    divisor = torch.where(spread > 0, spread, 1)
    sixths = torch.where(
        value == red, (green - blue) / divisor,
        torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )  # fmt: skip
    sixths = sixths + 6 * shares[:, None, None]

    def channel(offset: float) -> Tensor:
        """Smith's formula (1978) in the closed form of Wikipedia's "HSL and HSV"."""
        place = (sixths + offset).remainder(6)
        return value - spread * torch.minimum(place, 4 - place).clamp_(0, 1)

    return torch.stack([channel(5), channel(3), channel(1)], dim=1)


def _blended(images: Tensor, others: Tensor, factors: Tensor) -> Tensor:
    """factor · images + (1 - factor) · others; beyond 1 away from the others."""
    factors = _each(factors)
    return (factors * images).add_((1 - factors) * others).clamp_(0, 255)


def _each(amounts: Tensor) -> Tensor:
    return amounts[:, None, None, None]
