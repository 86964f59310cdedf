"""NumPy's .npz archives, read without pickle and without trust in the sizes that they claim."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import listed
from clfkit.data.statistics import LARGEST
from clfkit.errors import DataError

MAX_BYTES = 8 * 1024**3  # of all arrays together, uncompressed
HARMLESS, EXPANSION = 256 * 1024**2, 200
"""Beyond so many bytes arrays may be as many times as large as their file: zeros alone shrink to a thousandth."""

INPUT_NAMES = ("x", "X", "inputs", "features")
LABEL_NAMES = ("y", "Y", "labels", "label")


def read_arrays(path: Path, *wanted: tuple[str, ...]) -> list[npt.NDArray[np.generic] | None]:
    """For each group of names in `wanted` the first array of the archive that has one of them, or None.

    Raises DataError for anything but a sound .npz file, for more than `MAX_BYTES`, for a small file that expands to
    much, and for arrays of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            total = sum(info.file_size for info in members.values())
            if total > MAX_BYTES:
                raise DataError(f"{path}: {total / 1024**3:.0f} GiB of arrays; at most {MAX_BYTES // 1024**3} are read")
            if total > max(HARMLESS, EXPANSION * path.stat().st_size):
                times = total / path.stat().st_size
                raise DataError(f"{path}: arrays {times:,.0f} times as large as their file; save them with np.savez")
            found = [next((name for name in names if name in members), None) for names in wanted]
            return [None if name is None else _array(archive, members[name], path) for name in found]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: not a sound .npz file: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def read_inputs(path: Path) -> npt.NDArray[np.generic]:
    """The inputs of an archive: the array of one of `INPUT_NAMES`, or its only array. Raises DataError."""
    inputs = read_arrays(path, INPUT_NAMES)[0]
    if inputs is None:
        names = array_names(path)
        if len(names) != 1:
            raise DataError(f"{path}: no array is called x (there are {listed(names)})")
        inputs = read_arrays(path, names)[0]
    assert inputs is not None
    return inputs


def read_pair(path: Path, label: str | None = None) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]:
    """Inputs and labels of an archive, of equal length; `label` is tried before `LABEL_NAMES`.

    Raises DataError when either is absent, empty, or of another length.
    """
    inputs, labels = read_arrays(path, INPUT_NAMES, (label, *LABEL_NAMES) if label else LABEL_NAMES)
    for array, name in ((inputs, "x (samples)"), (labels, "y (labels)")):
        if array is None:
            raise DataError(f"{path}: no array {name}; there are {listed(array_names(path))}")
    assert inputs is not None and labels is not None
    if labels.ndim != 1 or inputs.ndim < 2 or len(labels) != len(inputs) or not len(inputs):
        raise DataError(
            f"{path}: x of shape {inputs.shape} and y of shape {labels.shape} are not N samples and N labels"
        )
    return inputs, labels


def array_names(path: Path) -> tuple[str, ...]:
    """The names of the arrays of a sound archive."""
    with zipfile.ZipFile(path) as archive:
        return tuple(name.removesuffix(".npy") for name in archive.namelist())


def class_names(labels: npt.NDArray[np.generic], path: Path) -> list[str]:
    """Labels (N,) as class names: text as it is, whole numbers in decimal. Raises DataError for anything else."""
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and not np.mod(labels, 1).any():
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "S":
        try:
            labels = labels.astype(np.str_)
        except UnicodeDecodeError:
            raise DataError(f"{path}: labels in bytes must be ASCII; save them as text") from None
    if labels.dtype.kind not in "iubU":
        raise DataError(f"{path}: labels must be text or whole numbers, not {labels.dtype}")
    different, which = np.unique(labels, return_inverse=True)
    names = [str(label) for label in different.tolist()]
    return [names[at] for at in which.tolist()]  # one text a class, not one a sample


def numbers(array: npt.NDArray[np.generic], path: Path, *, gaps: bool) -> npt.NDArray[np.float64]:
    """An array as float64; NaN passes for a gap where those are allowed. Raises DataError naming a bad sample."""
    if array.dtype.kind not in "iubf":
        raise DataError(f"{path}: x must hold numbers, not {array.dtype}")
    values = array.astype(np.float64)
    unfit = {
        "that is not a finite number": np.isinf(values) if gaps else ~np.isfinite(values),
        "that is too large": np.abs(values) > LARGEST,
    }
    for what, bad in unfit.items():
        if bad.any():
            raise DataError(f"{path}: sample {int(np.nonzero(bad)[0][0])} has a value {what}")
    return values


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> npt.NDArray[np.generic]:
    """One array, read only if the member is as long as its header says."""
    with archive.open(info) as file:
        shape, dtype = _header(file)
        held = info.file_size - file.tell()
    if dtype.hasobject:
        raise DataError(f"{path}: array {info.filename!r} holds Python objects (a pickle), which are never loaded")
    if min(shape, default=1) < 1 or dtype.itemsize == 0:  # no bytes can stand for any number of samples
        raise DataError(f"{path}: array {info.filename!r} of shape {shape} and type {dtype} is empty")
    if math.prod(shape) * dtype.itemsize != held:
        raise DataError(f"{path}: array {info.filename!r} says shape {shape} of {dtype} but holds {held} bytes")
    with archive.open(info) as file:
        array: npt.NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and type of an array as its header claims them. Raises ValueError for anything that is no header."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"array format {version} is not known")
    return shape, dtype
