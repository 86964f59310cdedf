"""CIFAR-10: small colour photographs, from the binary release."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, Dataset, IndexArray, Part, PixelArray
from clfkit.data.sources._download import provide
from clfkit.errors import DataError
from clfkit.vision import torchvision

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar-10-batches-bin"
FILES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
RECORDS = 10_000  # in each file
RECORD_BYTES = 1 + 3 * 32 * 32  # the label, then red, green and blue planes row by row
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"


@datasets.register("cifar10", inputs="image", classes=10)
def cifar10(seed: int, *, root: str = "data", download: bool = True) -> Dataset:
    """50,000 colour photographs to train on and 10,000 to test, uint8 (N, 3, 32, 32).

    The binary release is read: the usual one for Python is a pickle, and nothing is unpickled here. Only a download
    needs torchvision, and with it torch.

    Source: Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html, 2009.

    Options:
        root: folder that holds cifar-10-batches-bin with the six files, or will (170 MB).
        download: fetch missing files.
    """
    folder = Path(root) / FOLDER

    def fetch() -> None:
        torchvision().datasets.utils.download_and_extract_archive(URL, root, md5=MD5)

    if not all((folder / file).is_file() for file in FILES):
        pickled = (folder.parent / "cifar-10-batches-py").is_dir()
        note = "of the binary release; the pickled one, which is there, is not read" if pickled else ""
        provide("CIFAR-10", root, folder, FILES, download, fetch, note)
    records = np.concatenate([_records(folder / file) for file in FILES])
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CLASSES):
        raise DataError(
            f"data.root: record {int(labels.argmax())} in {folder} has the label {labels.max()}, not 0 to 9"
        )
    images = np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32)
    test = len(labels) - RECORDS
    given: dict[Part, IndexArray] = {"train": np.arange(test), "test": np.arange(test, len(labels))}
    return Dataset(images, labels, ClassMap(names=CLASSES), "image", given=given)


def _records(file: Path) -> PixelArray:
    """The records of one file, uint8 (RECORDS, RECORD_BYTES). Raises DataError when it has another size."""
    try:
        held = np.fromfile(file, np.uint8)
    except OSError as error:
        raise DataError(f"data.root: {file} cannot be read: {error}") from None
    if len(held) != RECORDS * RECORD_BYTES:
        raise DataError(f"data.root: {file} has {len(held):,} bytes, not {RECORDS * RECORD_BYTES:,}; it is damaged")
    return held.reshape(RECORDS, RECORD_BYTES)
