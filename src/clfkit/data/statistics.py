"""Mean and deviation of samples, and the range that standardised samples must keep to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import IndexArray, Inputs
from clfkit.errors import DataError

STATISTICS_SAMPLES = 10_000  # pixels of so many training images settle mean and deviation to four digits
STATISTICS_PIXELS = 50_000_000  # of large images fewer are enough
COUNTED_PIXELS = 12_500_000  # and of each only some rows: the others are much like them
LARGEST = float(np.finfo(np.float32).max)  # what a model computes with

Numbers = tuple[float, ...]


def measure(inputs: Inputs, names: Sequence[str]) -> tuple[Numbers, Numbers]:
    """Mean and deviation of each feature (N, features), or channel of images; constant ones get deviation 1.

    Raises DataError naming the feature whose numbers lie too far apart, or too close together, to be measured.
    """
    if inputs.dtype == np.uint8:
        return _of_pixels(inputs)
    values = np.asarray(inputs[np.arange(len(inputs))], np.float64)
    low, constant = values.min(axis=0), values.min(axis=0) == values.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        mean = np.where(constant, low, values.mean(axis=0))
        std = np.where(constant, 1.0, values.std(axis=0))
    bad = ~(np.isfinite(mean) & np.isfinite(std) & (std > 0))
    if bad.any():
        name = _name(int(bad.argmax()), names)
        raise DataError(f"{name}: its numbers are too large, or too close together, to be standardised; rescale it")
    return tuple(mean.tolist()), tuple(std.tolist())


def check_range(
    values: npt.NDArray[Any], mean: Numbers, std: Numbers, names: Sequence[str], where: Callable[[int], str]
) -> None:
    """Raises DataError, which begins with `where(row)`, for a feature that standardised is no float32 number."""
    if not len(values):
        return
    centre, scale = np.array(mean), np.array(std)
    with np.errstate(over="ignore"):
        for extreme in (values.min(axis=0), values.max(axis=0)):
            bad = ~(np.abs((extreme - centre) / scale) <= LARGEST)
            if bad.any():
                at = int(bad.argmax())
                row = int(np.flatnonzero(values[:, at] == extreme[at])[0])
                value = f"{values[row, at]:g}"
                raise DataError(f"{where(row)}: {value} in {_name(at, names)} is too far from the train split's values")


def _name(position: int, names: Sequence[str]) -> str:
    return f"column {names[position]!r}" if names else f"feature {position}"


def _of_pixels(images: Inputs) -> tuple[Numbers, Numbers]:
    levels = levels_of(images)
    shares = levels / levels.sum(axis=1, keepdims=True)
    grey = np.arange(256.0)
    mean = shares @ grey
    std = np.sqrt(np.maximum(shares @ grey**2 - mean**2, 0.0))
    std = np.where(np.count_nonzero(levels, axis=1) == 1, 1.0, std)
    return tuple(mean.tolist()), tuple(std.tolist())


def levels_of(images: Inputs) -> IndexArray:
    """How often each of the 256 levels occurs in evenly spaced images (of large ones in some rows): (channels, 256)."""
    count, channels, height, width = images.shape
    wanted = min(count, STATISTICS_SAMPLES, max(STATISTICS_PIXELS // (height * width), 500))
    chosen = np.linspace(0, count - 1, wanted).astype(np.int64)
    levels, step = np.zeros((channels, 256), np.int64), max(1, wanted * height * width // COUNTED_PIXELS)
    for start in range(0, wanted, 100):  # a few at a time: large images may not all fit into memory
        some = images[chosen[start : start + 100]]
        for channel in range(channels):
            levels[channel] += _counts(some[:, channel, ::step])
    return levels


def _counts(pixels: npt.NDArray[Any]) -> IndexArray:
    """How often each of the 256 levels occurs in uint8 pixels; Pillow counts five times as fast as NumPy."""
    from PIL import Image

    flat = np.ascontiguousarray(pixels).reshape(-1)
    return np.array(Image.frombuffer("L", (len(flat), 1), flat, "raw", "L", 0, 1).histogram(), np.int64)
