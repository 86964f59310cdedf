"""Fashion-MNIST: pieces of clothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.components import datasets

if TYPE_CHECKING:
    from clfkit.data.bundle import Dataset

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


@datasets.register("fashion_mnist", inputs="image", classes=10)
def fashion_mnist(seed: int, *, root: str = "data", download: bool = True) -> Dataset:
    """60,000 pieces of clothing to train on and 10,000 to test, grey, uint8 (N, 1, 28, 28).

    Source: Xiao, Rasul and Vollgraf, https://github.com/zalandoresearch/fashion-mnist, 2017.

    Options:
        root: folder that holds FashionMNIST/raw with the four files, or will.
        download: fetch missing files.
    """
    from clfkit.data.sources._mnist_files import read

    return read("FashionMNIST", CLASSES, root, download)
