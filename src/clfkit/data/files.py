"""Files of new samples for a trained model: images, CSV or .npz."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import ClassMap, DataSpec, Ids, ImageFormat, IndexArray, Inputs, Split
from clfkit.data.cache import load_images
from clfkit.data.csv_columns import code_columns
from clfkit.data.csv_files import CsvTable, read_csv
from clfkit.data.images import ImageFiles
from clfkit.data.jpeg_decoders import jpeg_decoder
from clfkit.data.labelling import Coded, label_samples
from clfkit.data.matching import features_of, known_columns
from clfkit.data.names import Names
from clfkit.data.npz_files import class_names, numbers, read_inputs, read_pair
from clfkit.data.scanning import ImageScan, entries, is_folder, is_image, is_unread, left_out
from clfkit.data.sifting import decode_sound
from clfkit.data.statistics import check_range
from clfkit.data.table import Features, encode
from clfkit.errors import BadImage, DataError
from clfkit.reporting import say

MEGABYTES = 2048  # images beyond this are decoded when they are needed
NOT_READ = "pictures in this format are not read; convert it to JPEG or PNG"
CSV_SUFFIXES = (".csv", ".tsv", ".txt")


def read_samples(paths: Sequence[Path], spec: DataSpec) -> tuple[Inputs, Ids]:
    """See `read_sound`; one image that cannot be decoded is an error. Raises BadImage naming the first."""
    inputs, ids, bad = read_sound(paths, spec)
    for found in bad.values():
        raise found
    return inputs, ids


def read_sound(paths: Sequence[Path], spec: DataSpec) -> tuple[Inputs, Ids, dict[int, BadImage]]:
    """Samples without labels, in the shape and units that `spec` describes, an id for each of all that were given, and
    the positions of the images that cannot be decoded and are not among the samples.

    Image models take image files, folders (searched to any depth) and .npz files; the others .csv (columns are
    matched by name, others passed over) and .npz files. The id of an image is its path as given, that of a row
    is its position from 0, with the file's path before it when there are several files.
    Raises DataError naming the file that is missing, unreadable or does not fit.
    """
    if not paths:
        raise DataError("no files were given")
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise DataError(f"{path}: no such file or folder")
    if spec.inputs == "image" and not any(path.suffix.lower() == ".npz" for path in paths):
        names = _images_at(paths)
        inputs, bad = _decoded(names, image_format(spec))
        return inputs, names, bad
    blocks = [_rows(path, spec) for path in paths]
    ids = [
        f"{path.as_posix()}:{row}" if len(paths) > 1 else str(row)
        for path, block in zip(paths, blocks, strict=True)
        for row in range(len(block))
    ]
    return np.concatenate(blocks), np.array(ids), {}


def read_labelled(path: Path, spec: DataSpec) -> Split:
    """Samples with labels: a folder of class folders, a CSV file with the label column, or .npz with x and y.

    Labels are matched by name with the classes of the model; the file may lack classes.
    Raises ClassMismatch when it has more, DataError when it cannot be read or does not fit.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    suffix = path.suffix.lower()
    inputs: Inputs
    if path.is_dir():
        if spec.inputs != "image":
            raise DataError(f"{path}: the model takes rows of features: give a .csv or .npz file, not a folder")
        files, classes = _class_folders(path)
        labels = _matched(classes, spec.classes, path)
        return Split(load_images(ImageFiles(path, files, image_format(spec)), MEGABYTES), labels, files)
    if suffix == ".npz":
        arrays, labelled = read_pair(path, spec.label_column)
        inputs, names = _fitted(arrays, spec, path), class_names(labelled, path)
    elif suffix in CSV_SUFFIXES and spec.inputs == "vector":
        table = read_csv(path)
        names = table.cells(spec.label_column or "label", "label")
        inputs = _features(table, spec)
    else:
        wanted = "a folder of class folders" if spec.inputs == "image" else "a .csv file"
        raise DataError(f"{path}: give {wanted} or an .npz file with x and y")
    labels = _matched(Coded.of(names), spec.classes, path)
    return Split(inputs, labels, np.array([str(row) for row in range(len(names))]))


def image_format(spec: DataSpec) -> ImageFormat:
    """How image files become samples of that spec; stretched, unless the training images came from files too.

    Raises DataError for channels that no image file has, and where the library that decodes is missing.
    """
    if spec.image is not None:
        jpeg_decoder(spec.image.decoder)
        return spec.image
    channels, height, width = spec.shape
    if channels == 1:
        return ImageFormat(height=height, width=width, channels=1, resize="stretch")
    if channels == 3:
        return ImageFormat(height=height, width=width, channels=3, resize="stretch")
    raise DataError(f"the model takes images of {channels} channels, which no image file has; give an .npz file")


def _images_at(paths: Sequence[Path]) -> Names:
    """The image files at `paths`, and all of those below a folder. Raises DataError when there is none."""
    scan = ImageScan()
    for path in paths:
        if path.is_dir():
            if not scan.add(path, path.as_posix()):
                raise DataError(f"{path}: no images in this folder{_hint(scan)}")
        elif not is_image(path.name) and not is_unread(path.name):  # the latter are told in their rows
            raise DataError(f"{path}: the model takes images: give image files, folders of them, or an .npz file")
        else:
            scan.add_file(path.as_posix())
    return _told(scan)


def _class_folders(root: Path) -> tuple[Names, Coded]:
    """All images in the class folders below `root`, and each one's class. Raises DataError when there is none."""
    scan = ImageScan()
    folders = {entry.name: entry.path for entry in entries(root) if is_folder(entry)}
    counts = [scan.add(path, name) for name, path in folders.items()]
    if not any(counts):
        itself = "; if it is one itself, give the folder above it" if not folders else ""
        raise DataError(f"{root}: no class folders with images{itself}{_hint(scan)}")
    return _told(scan), Coded(np.repeat(np.arange(len(folders)), counts), tuple(folders))


def _decoded(names: Names, image_format: ImageFormat) -> tuple[Inputs, dict[int, BadImage]]:
    """The images that can be decoded, and what is wrong with the others, by their positions.

    A picture that is named and whose format is not read is not opened: what decodes of a raw file is its thumbnail.
    """
    unread = [row for row, name in enumerate(names) if is_unread(name)]
    rows = np.delete(np.arange(len(names)), unread)
    inputs, bad = decode_sound(ImageFiles(Path(), names[rows], image_format), MEGABYTES)
    refused = {row: BadImage(Path(names[row]), "unknown format", NOT_READ) for row in unread}
    return inputs, refused | {int(rows[row]): found for row, found in bad.items()}


def _told(scan: ImageScan) -> Names:
    """What was found; says which pictures are left out."""
    if len(unread := scan.unread()):
        say(f"note: {left_out(unread)}")
    return scan.names()


def _hint(scan: ImageScan) -> str:
    """Why nothing was found, perhaps."""
    return f"; {left_out(unread)}" if len(unread := scan.unread()) else ""


def _rows(path: Path, spec: DataSpec) -> npt.NDArray[np.generic]:
    """The samples of one .csv or .npz file."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _fitted(read_inputs(path), spec, path)
    if spec.inputs == "image":
        raise DataError(f"{path}: give either image files or .npz files, not both")
    if suffix not in CSV_SUFFIXES or path.is_dir():
        raise DataError(f"{path}: the model takes rows of features: give .csv or .npz files")
    return _features(read_csv(path), spec)


def _features(table: CsvTable, spec: DataSpec) -> Features:
    """The rows of a CSV file as features (N, features), by the names that the model knows."""
    whose = str(table.path)
    columns = known_columns(spec, whose)
    return features_of(code_columns(table, columns), columns, spec, table.where, whose)


def _fitted(array: npt.NDArray[np.generic], spec: DataSpec, path: Path) -> npt.NDArray[np.generic]:
    """An array of an .npz file as samples of `spec`: float64 features, or uint8 pixels.

    Rows of a table with numeric columns only may have gaps (NaN). Raises DataError for another shape, or pixels
    that are not whole numbers from 0 to 255.
    """
    if spec.inputs == "image" and spec.shape[0] == 1 and array.shape[1:] == spec.shape[1:]:
        array = array[:, None]  # grey images are often stored without their one channel
    if array.shape[1:] != spec.shape or not len(array):
        raise DataError(f"{path}: x must have the shape (N, {', '.join(map(str, spec.shape))}), not {array.shape}")
    if spec.inputs == "image":
        if array.dtype != np.uint8:
            pixels = numbers(array, path, gaps=False)
            if pixels.min() < 0 or pixels.max() > 255 or np.mod(pixels, 1).any():
                raise DataError(f"{path}: pixels must be whole numbers from 0 to 255")
        return array.astype(np.uint8)
    numeric = bool(spec.columns) and all(column.kind == "numeric" for column in spec.columns)
    values = numbers(array, path, gaps=numeric)
    if numeric:
        values, _ = encode(values, spec.columns, spec.columns)
    check_range(values, spec.mean, spec.std, spec.feature_names, lambda row: f"{path}: sample {row}")
    return values


def _matched(coded: Coded, classes: ClassMap, path: Path) -> IndexArray:
    """The labels (N,) of samples, as indices of the model's classes."""
    there, labels, _ = label_samples(coded, None, str(path))
    return classes.translation(there, str(path), subset=True)[labels]
