"""MNIST and the sets made in its image, from IDX files."""

from __future__ import annotations

import gzip
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clfkit.data.bundle import ClassMap, Dataset, IndexArray, Part, PixelArray
from clfkit.data.idx_files import read_idx
from clfkit.data.sources._download import provide
from clfkit.errors import DataError
from clfkit.vision import torchvision


def read(
    family: str,
    classes: tuple[str, ...],
    root: str,
    download: bool,
    *,
    subset: str | None = None,
    prefixes: tuple[str, str] = ("train", "t10k"),
) -> Dataset:
    """Images uint8 (N, 1, 28, 28) as they lie in the four files in `root/<family>/raw`, training images first.

    Only a download needs torchvision, and with it torch.

    family: the class in `torchvision.datasets` that knows where the files come from.
    subset: what EMNIST's class calls its split.
    prefixes: how the files of the training and of the test images begin.
    Raises DataError when files are missing and cannot be downloaded, or do not hold what they should.
    """
    folder = Path(root) / family / "raw"
    pairs = [(f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte") for prefix in prefixes]
    files = [file for pair in pairs for file in pair]
    if not _complete(folder, files):
        note = "each perhaps with .gz"
        provide(family, root, folder, files, download, lambda: _fetch(family, root, folder, pairs[0], subset), note)
        if not _complete(folder, files):
            raise DataError(f"data.root: the download of {family} did not bring {', '.join(files)} to {folder}")
    parts = [_part(folder, *pair) for pair in pairs]
    images = np.concatenate([part[0] for part in parts])[:, None]
    labels = np.concatenate([part[1] for part in parts])
    labels -= 1 if subset == "letters" else 0
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"data.root: {folder} has labels outside the {len(classes)} classes of {family}")
    first_test = len(parts[0][1])
    given: dict[Part, IndexArray] = {
        "train": np.arange(first_test),
        "test": np.arange(first_test, len(labels)),
    }
    return Dataset(images, labels, ClassMap(names=classes), "image", given=given)


def _fetch(family: str, root: str, folder: Path, training: Sequence[str], subset: str | None) -> None:
    """Download all files with torchvision. Raises whatever it raises."""
    if any((folder.parent / "processed").glob("*.pt")):  # torchvision would rather unpickle these
        raise FileExistsError("processed/*.pt of an older torchvision is in the way")
    options = {} if subset is None else {"split": subset}
    train = not all((folder / file).is_file() for file in training)  # EMNIST's class looks for one part only
    getattr(torchvision().datasets, family)(root, train=train, download=True, **options)


def _complete(folder: Path, files: list[str]) -> bool:
    """Whether all files are there; those that are only there as .gz are unpacked beside it."""
    if not all((folder / file).is_file() or (folder / f"{file}.gz").is_file() for file in files):
        return False
    for file in files:
        if not (folder / file).is_file():
            _unpack(folder / f"{file}.gz", folder / file)
    return True


def _unpack(packed: Path, target: Path) -> None:
    """Unpack a .gz file under a temporary name, then move it into place. Raises DataError."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with gzip.open(packed) as source, partial.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        partial.replace(target)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"data.root: {packed} cannot be unpacked: {error}") from None
    finally:
        partial.unlink(missing_ok=True)


def _part(folder: Path, images_file: str, labels_file: str) -> tuple[PixelArray, IndexArray]:
    """Images uint8 (N, 28, 28) and labels (N,) of the training or the test part."""
    images = read_idx(folder / images_file, dimensions=3)
    labels = read_idx(folder / labels_file, dimensions=1).astype(np.int64)
    if len(images) != len(labels) or images.shape[1:] != (28, 28):
        shapes = f"{images.shape} and {labels.shape}"
        raise DataError(f"data.root: {images_file} and {labels_file} in {folder} do not match: they hold {shapes}")
    return images, labels
