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


def sharpened(images: Tensor, factors: Tensor) -> Tensor:
    """Distances from a smoothed picture times the factor: 0 is smooth. Pixels at the edge stay as they are."""
    if min(images.shape[2:]) <= 2:
        return images
    inner = images[:, :, 1:-1, 1:-1]
    rows = images[:, :, :-2] + images[:, :, 1:-1] + images[:, :, 2:]
    smooth = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * inner) / 13
    result = images.clone()
    result[:, :, 1:-1, 1:-1] = _blended(inner, smooth, factors)
    return result


def posterised(images: Tensor, dropped: Tensor) -> Tensor:
    """Without so many of the eight bits of each value, the lowest ones; rounded to a whole number of them."""
    steps = _each(2 ** dropped.round())
    return (images / steps).floor_() * steps


def solarised(images: Tensor, thresholds: Tensor) -> Tensor:
    """Values from the threshold on as in a negative."""
    return images.where(images < _each(thresholds), 255 - images)


def stretched(images: Tensor) -> Tensor:
    """Each channel from 0 to 255; one of a single value stays as it is."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return images.where(high == low, (images - low) * (255 / (high - low).clamp(min=1e-6)))


def equalised(images: Tensor) -> Tensor:
    """Each channel's values spread so that about as many pixels have each of them; as Pillow does it, on bytes."""
    import torch

    values = images.round().long().flatten(2).flatten(0, 1)
    counts = torch.zeros(len(values), 256, dtype=torch.long, device=values.device)
    counts.scatter_add_(1, values, torch.ones_like(values))
    steps = (values.shape[1] - counts.gather(1, values.amax(1, keepdim=True))) // 255
    before = counts.cumsum(1) - counts
    table = ((before + steps // 2) // steps.clamp(min=1)).clamp_(max=255)
    spread = torch.where(steps > 0, table.gather(1, values), values)
    return spread.reshape(images.shape).to(images.dtype)


def _blended(images: Tensor, others: Tensor, factors: Tensor) -> Tensor:
    """factor · images + (1 - factor) · others; beyond 1 away from the others."""
    factors = _each(factors)
    return (factors * images).add_((1 - factors) * others).clamp_(0, 255)


def _each(amounts: Tensor) -> Tensor:
    return amounts[:, None, None, None]
