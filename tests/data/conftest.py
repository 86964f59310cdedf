"""Tiny files in the formats that datasets come in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

Bytes = npt.NDArray[np.uint8]


def encode_idx(array: Bytes) -> bytes:
    """An array in the IDX format: magic number with the number of dimensions, big-endian sizes, bytes."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def write_mnist(
    root: Path, family: str, prefixes: tuple[str, str] = ("train", "t10k"), classes: int = 10, first: int = 0
) -> dict[str, Bytes]:
    """Files with 4 (train) and 2 (test) images of each class; returns the images."""
    rng = np.random.default_rng(0)
    folder = root / family / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    images = {}
    for prefix, each in zip(prefixes, (4, 2), strict=True):
        images[prefix] = rng.integers(0, 256, (each * classes, 28, 28), dtype=np.uint8)
        labels = (np.arange(each * classes) % classes + first).astype(np.uint8)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(encode_idx(images[prefix]))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(encode_idx(labels))
    return images


@pytest.fixture(scope="session")
def idx_bytes() -> Callable[[Bytes], bytes]:
    """`encode_idx`, for tests."""
    return encode_idx


@pytest.fixture(scope="session")
def make_mnist() -> Callable[..., dict[str, Bytes]]:
    """`write_mnist`, for tests."""
    return write_mnist
