"""Image files of your own, in one folder for each class or listed in a CSV file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, Dataset, ImageFormat, IndexArray, Part
from clfkit.data.cache import CacheFolder, load_images
from clfkit.data.csv_files import read_csv
from clfkit.data.images import entries, find_images
from clfkit.data.labelling import PART_NAMES, label_samples, part_named
from clfkit.errors import DataError
from clfkit.options import one_of

Size = Annotated[
    PositiveInt | tuple[PositiveInt, PositiveInt],
    one_of("a number of pixels, or a pair of them: [height, width]"),
]


@datasets.register("image_folder", inputs="image")
def image_folder(
    seed: int,
    *,
    root: str,
    size: Size = 64,
    channels: Literal[1, 3] = 3,
    resize: Literal["crop", "stretch"] = "crop",
    csv: str | None = None,
    memory: PositiveInt = 2048,
    cache: Annotated[str, Field(min_length=1)] = "auto",
    cache_limit: PositiveFloat = 20.0,
) -> Dataset:
    """Image files below one folder, uint8 (N, channels, height, width).

    Three layouts are understood:
    `root/CLASS/….png`; `root/train/CLASS/….png` with `valid` (or `val`) and `test` beside `train`;
    a CSV file with the columns path, label and perhaps split (train, valid or test).
    Images may lie deeper below a class folder. Hidden files, and class folders without images, are passed over.
    The classes are those of the train part, sorted by name (whole numbers by value); other parts are matched to
    them by name. Sample ids are the paths relative to `root`.

    Raises DataError naming the folder, the CSV line or the image file at fault, and ClassMismatch when another
    part has classes that the train part does not have.

    Options:
        root: folder of the images.
        size: side of the images in pixels, or [height, width].
        channels: 3 for colour, 1 for grey.
        resize: crop (the shorter side is fitted, the longer one cut evenly) or stretch.
        csv: CSV file, relative to root, whose paths are relative to root too.
        memory: megabytes up to which all decoded images are held in memory; beyond, batches are read when needed.
        cache: folder for decoded images, which later epochs and runs read; auto for the user's own, off for none.
        cache_limit: gigabytes that they may take; beyond, images are decoded in every epoch.
    """
    found = labelled_files(root, csv)
    height, width = (size, size) if isinstance(size, int) else size
    image_format = ImageFormat(height=height, width=width, channels=channels, resize=resize)
    ids = np.array([path.relative_to(root).as_posix() for path in found.paths])
    kept_in = CacheFolder.of(cache, cache_limit, Path(root), csv, image_format)
    inputs = load_images(found.paths, image_format, memory, kept_in)
    return Dataset(inputs, found.labels, found.classes, "image", ids=ids, given=found.given, image=image_format)


class LabelledFiles(NamedTuple):
    """Image files, the class map, labels (N,) and the index arrays of the given parts."""

    paths: list[Path]
    classes: ClassMap
    labels: IndexArray
    given: Mapping[Part, IndexArray]


def labelled_files(root: str, csv: str | None) -> LabelledFiles:
    """What a folder in one of the three layouts holds; no image is opened. Raises as `image_folder` does."""
    folder = Path(root)
    if not folder.is_dir():
        raise DataError(f"data.root: {root} is not a folder")
    found = _from_csv(folder, folder / csv) if csv is not None else _from_folders(folder)
    return LabelledFiles(found.paths, *label_samples(found.names, found.parts, f"data.root: {root}"))


@dataclass
class _Found:
    """Image files, the name of each one's class and, where parts are given, its part."""

    paths: list[Path]
    names: list[str]
    parts: list[Part] | None


def _from_folders(root: Path) -> _Found:
    """Images of one folder of class folders, or of up to three of those called train, valid and test."""
    folders = {entry.name: entry for entry in entries(root) if entry.is_dir()}
    part_folders = {name: folder for name, folder in folders.items() if name in PART_NAMES}
    divided = "train" in folders and any(entry.is_dir() for entry in entries(folders["train"]))
    if not divided or (len(part_folders) == 1 and len(folders) > 1):  # a class may be called "train"
        paths, names = _classes_below(root)
        return _Found(paths, names, None)
    found = _Found([], [], [])
    of_part: dict[Part, str] = {}
    for name, folder in part_folders.items():
        part = PART_NAMES[name]
        if part in of_part:
            raise DataError(f"data.root: {root} has both {of_part[part]!r} and {name!r}, which mean the same part")
        of_part[part] = name
        paths, names = _classes_below(folder)
        found.paths += paths
        found.names += names
        found.parts = (found.parts or []) + [part] * len(paths)
    return found


def _classes_below(folder: Path) -> tuple[list[Path], list[str]]:
    """The images below each class folder in `folder`, and each one's class. Raises DataError when there is none."""
    paths: list[Path] = []
    names: list[str] = []
    classes = [entry for entry in entries(folder) if entry.is_dir()]
    for entry in classes:
        images = find_images(entry)
        paths += images
        names += [entry.name] * len(images)
    if not paths:
        what = f"no images in its {len(classes)} class folders" if classes else "no class folders"
        raise DataError(f"data.root: {folder} has {what}")
    return paths, names


def _from_csv(root: Path, file: Path) -> _Found:
    """The images that a CSV file lists. Raises DataError naming the line of a file that is missing or a repetition."""
    table = read_csv(file)
    paths = [root / cell for cell in table.cells("path", "path")]
    names = table.cells("label", "label")
    seen: dict[str, int] = {}
    for row, path in enumerate(paths):
        if not path.is_relative_to(root) or ".." in path.parts[len(root.parts) :]:
            raise DataError(f"{table.where(row)}: {path} does not lie below {root}")
        if not path.is_file():
            raise DataError(f"{table.where(row)}: there is no file {path}")
        first = seen.setdefault(os.path.realpath(path), row)
        if first != row:
            raise DataError(f"{table.where(row)}: {path} stands on line {table.lines[first]} already")
    if "split" not in table.header:
        return _Found(paths, names, None)
    parts = [part_named(cell, table.where(row)) for row, cell in enumerate(table.cells("split", "split"))]
    return _Found(paths, names, parts)
