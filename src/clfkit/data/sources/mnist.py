"""MNIST: handwritten digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.components import datasets

if TYPE_CHECKING:
    from clfkit.data.bundle import Dataset

CLASSES = tuple("0123456789")


@datasets.register("mnist", inputs="image", classes=10)
def mnist(seed: int, *, root: str = "data", download: bool = True) -> Dataset:
    """60,000 handwritten digits to train on and 10,000 to test, grey, uint8 (N, 1, 28, 28).

    Source: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/, 1998.

    Options:
        root: folder that holds MNIST/raw with the four files, or will.
        download: fetch missing files.
    """
    from clfkit.data.sources._mnist_files import read

    return read("MNIST", CLASSES, root, download)
