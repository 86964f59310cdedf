"""MNIST and the sets made in its image, through torchvision's own dataset readers."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from clfkit.data.bundle import ClassMap, Dataset, IndexArray, Part
from clfkit.data.images import PixelArray
from clfkit.errors import DataError
from clfkit.options import printable
from clfkit.vision import torchvision

PATIENCE = 30.0  # seconds that a server may keep silent during a download


def read(
    reader: str,
    classes: tuple[str, ...],
    root: str,
    download: bool,
    *,
    subset: str | None = None,
    prefixes: tuple[str, str] = ("train", "t10k"),
) -> Dataset:
    """Images uint8 (N, 1, 28, 28) of `torchvision.datasets.<reader>`, training images first.

    subset: what EMNIST's reader calls its split.
    prefixes: how the files of the training and of the test images begin.
    Raises DataError when files are missing and cannot be downloaded, or do not hold what they should.
    """
    folder = Path(root) / reader / "raw"
    files = [f"{prefix}-{kind}-ubyte" for prefix in prefixes for kind in ("images-idx3", "labels-idx1")]
    options = {} if subset is None else {"split": subset}

    def fetch() -> None:
        getattr(torchvision().datasets, reader)(root, download=True, **options)

    if not _complete(folder, files):
        provide(reader, root, folder, files, download, fetch, "each perhaps with .gz")
    parts = [_part(reader, root, folder, train, options) for train in (True, False)]
    images = np.concatenate([part[0] for part in parts])[:, None]
    labels = np.concatenate([part[1] for part in parts])
    labels -= 1 if subset == "letters" else 0
    if labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"data.root: {folder} has labels outside the {len(classes)} classes of {reader}")
    first_test = len(parts[0][1])
    given: dict[Part, IndexArray] = {
        "train": np.arange(first_test),
        "test": np.arange(first_test, len(labels)),
    }
    return Dataset(images, labels, ClassMap(names=classes), "image", given=given)


def provide(
    name: str,
    root: str,
    folder: Path,
    files: list[str],
    download: bool,
    fetch: Callable[[], object],
    note: str = "",
) -> None:
    """Download a dataset whose files are missing, if that is allowed.

    fetch downloads. Raises DataError saying which files belong where when that fails or is not allowed.
    """
    expected = f"data.root: {root} has no {name}: expected {', '.join(files)} in {folder}"
    expected += f" ({note})" if note else ""
    if not download:
        raise DataError(f"{expected}; data.download is off")
    try:
        with _patience():
            fetch()
    except (OSError, RuntimeError, zlib.error, EOFError) as error:  # URLError is an OSError
        reason = " ".join(str(error).split())[-60:]  # torchvision lists every mirror; the last word says it
        raise DataError(
            f"{expected}; the download failed: {printable(reason)}. "
            f"Set data.root to the folder that holds {folder.relative_to(root)}"
        ) from None


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


def _part(reader: str, root: str, folder: Path, train: bool, options: dict[str, str]) -> tuple[PixelArray, IndexArray]:
    """Images uint8 (N, 28, 28) and labels (N,) of the training or the test part."""
    part = "training" if train else "test"
    try:
        dataset = getattr(torchvision().datasets, reader)(root, train=train, download=False, **options)
    except (RuntimeError, ValueError, TypeError, AssertionError, KeyError) as error:
        raise DataError(f"data.root: the {part} files in {folder} are damaged: {error}") from None
    images, labels = dataset.data.numpy(), dataset.targets.numpy().astype(np.int64)
    if len(images) != len(labels) or not len(images) or images.shape[1:] != (28, 28):
        shapes = f"{images.shape} and {labels.shape}"
        raise DataError(f"data.root: the {part} files in {folder} do not match: images and labels are {shapes}")
    return images, labels


@contextmanager
def _patience() -> Iterator[None]:
    """Lets silent connections fail after `PATIENCE` seconds; torchvision would wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
