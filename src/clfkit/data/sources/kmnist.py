"""Kuzushiji-MNIST: cursive Japanese characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.components import datasets

if TYPE_CHECKING:
    from clfkit.data.bundle import Dataset

CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


@datasets.register("kmnist", inputs="image", classes=10)
def kmnist(seed: int, *, root: str = "data", download: bool = True) -> Dataset:
    """60,000 cursive hiragana to train on and 10,000 to test, grey, uint8 (N, 1, 28, 28).

    Source: Clanuwat et al., https://github.com/rois-codh/kmnist, 2018.

    Options:
        root: folder that holds KMNIST/raw with the four files, or will.
        download: fetch missing files.
    """
    from clfkit.data.sources._mnist_files import read

    return read("KMNIST", CLASSES, root, download)
