"""EMNIST: handwritten letters and digits."""

from __future__ import annotations

import dataclasses
import string
from typing import Literal

import numpy as np

from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.sources._mnist_files import read

_CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"  # the other small letters look like their capitals
CHARACTERS = {
    "balanced": _MERGED, "byclass": _CHARACTERS, "bymerge": _MERGED, "letters": string.ascii_lowercase,
    "digits": string.digits, "mnist": string.digits,
}  # fmt: skip


@datasets.register("emnist", inputs="image")
def emnist(
    seed: int,
    *,
    subset: Literal["balanced", "byclass", "bymerge", "letters", "digits", "mnist"] = "balanced",
    root: str = "data",
    download: bool = True,
) -> Dataset:
    """Handwritten letters and digits, grey, uint8 (N, 1, 28, 28), upright (the files hold them transposed).

    Source: Cohen, Afshar, Tapson and van Schaik, https://arxiv.org/abs/1702.05373, 2017.

    Options:
        subset: balanced (47 classes of equal size), byclass (62), bymerge (47), letters (26), digits (10) or mnist
            (10); EMNIST itself calls this the split.
        root: folder that holds EMNIST/raw with the four files of the subset, or will (536 MB).
        download: fetch missing files.
    """
    prefixes = (f"emnist-{subset}-train", f"emnist-{subset}-test")
    dataset = read("EMNIST", tuple(CHARACTERS[subset]), root, download, subset=subset, prefixes=prefixes)
    images = np.asarray(dataset.inputs)
    return dataclasses.replace(dataset, inputs=np.ascontiguousarray(images.swapaxes(2, 3)))
