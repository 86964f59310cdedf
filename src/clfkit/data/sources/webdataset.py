"""Images and labels in tar files, in the layout of webdataset."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from pydantic import PositiveInt

from clfkit.components import datasets
from clfkit.data.bundle import Dataset, Decoder, Part
from clfkit.data.index import IndexFile
from clfkit.data.labelling import PART_NAMES, Coded, LabelledFiles, label_samples, must_differ, part_codes
from clfkit.data.leaving_out import OnBadSample, Rule
from clfkit.data.roots import missing
from clfkit.data.scanning import entries
from clfkit.data.shard_images import ShardImages
from clfkit.data.shards import ShardIndex, index_shards
from clfkit.data.sources._image_inputs import (
    Cache,
    CacheLimit,
    Channels,
    Keeping,
    MaxBad,
    Resize,
    Size,
    dataset_of,
    image_format,
)
from clfkit.errors import DataError

MOST_SHARDS = 1_000_000


@datasets.register("webdataset", inputs="image")
def webdataset(
    seed: int,
    *,
    root: str,
    shards: str = "",
    size: Size = 64,
    channels: Channels = 3,
    resize: Resize = "crop",
    memory: PositiveInt = 2048,
    cache: Cache = "auto",
    cache_limit: CacheLimit = 20.0,
    decoder: Decoder = "pillow",
    on_bad_sample: OnBadSample = "error",
    max_bad: MaxBad = 0.01,
) -> Dataset:
    """Image files in uncompressed tar files (shards), uint8 (N, channels, height, width).

    A sample is the files in a row whose names agree up to the first dot of the base name, with one image among them.
    Its label is a class's number or name in `.cls`, else `label` in `.json`, else the folder that the files are in.
    Numbers are lines of `classes.txt` or places in the list of `classes.json` in `root`, from 0; without such a file
    they are names themselves. A word train, valid (or val) or test in a shard's name makes it that part.
    Sample ids are the shard's name, a slash and the common part of the files' names. Nothing is extracted.

    Raises DataError naming the shard and the sample at fault, and ClassMismatch when another part has classes that
    the train part does not have.

    Options:
        root: folder of the shards.
        shards: names below root as a brace pattern, as in train-{000..099}.tar; by default all .tar files in root.
        size: side of the images in pixels, or [height, width].
        channels: 3 for colour, 1 for grey.
        resize: crop (the shorter side is fitted, the longer one cut evenly) or stretch.
        memory: megabytes up to which all decoded images are held in memory; beyond, batches are read when needed.
        cache: folder for decoded images and the index, which later runs read; auto for the user's own, off for none.
        cache_limit: gigabytes that all decoded images in that folder may take; those not used for longest give way,
            and a dataset that is larger is decoded in every epoch.
        decoder: who decodes JPEG files: pillow, simplejpeg (the same pixels, sooner; `pip install clfkit[jpeg]`) or
            torchvision, where its decoders load.
        on_bad_sample: what becomes of an image that cannot be decoded: error (it stops), skip (it is left out and
            listed in the run) or quarantine (a copy of its file is put into the run too). Files stay where they are.
        max_bad: share (or number) of the images that may be left out; more are an error.
    """
    image = image_format(size, channels, resize, decoder)  # a missing decoder is told before the shards are read
    folder = Path(root)
    if not folder.is_dir():
        raise missing(f"{root} is not a folder", root)
    paths = _named(folder, shards) if shards else _every(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    parts = _parts(root, names)
    index = index_shards(folder, names, IndexFile.of(cache, folder, "webdataset", shards))
    if not len(index.ids):
        reason = f"; {index.loss()}" if index.passed_over else ""
        where = "its only shard" if len(paths) == 1 else f"its {len(paths):,} shards"
        raise DataError(f"data.root: {root} has no images in {where}{reason}")
    of_sample = None if parts is None else part_codes(parts)[index.shard]
    classes, labels, given = label_samples(_classes(folder, index), of_sample, f"data.root: {root}")
    must_differ(classes)  # before images are decoded
    images = ShardImages.of(paths, index, image)
    keeping = Keeping(root, f"shards {shards}", memory, cache, cache_limit)
    found = LabelledFiles(index.ids, classes, labels, given)
    return dataset_of(images, found, keeping, Rule(on_bad_sample, max_bad))


def _every(root: Path) -> list[Path]:
    found = [root / entry.name for entry in entries(root) if entry.name.endswith(".tar") and entry.is_file()]
    if not found:
        raise DataError(f"data.root: {root} holds no .tar files")
    return found


def _named(root: Path, pattern: str) -> list[Path]:
    """The shards that a brace pattern names, in its order. Raises DataError for one that is missing or named twice."""
    found: dict[Path, None] = {}
    for name in _expanded(pattern) if "{" in pattern else (pattern,):
        path = root / name
        if not path.is_relative_to(root) or ".." in path.parts[len(root.parts) :]:
            raise DataError(f"data.shards: {name} does not lie below data.root")
        if not path.is_file():
            raise DataError(f"data.shards: there is no file {path}")
        if path in found:
            raise DataError(f"data.shards: {name} is named twice")
        found[path] = None
    return list(found)


def _expanded(pattern: str) -> Iterable[str]:
    try:
        from braceexpand import braceexpand
    except ImportError:
        raise DataError(
            'data.shards: brace patterns need the extra webdataset: pip install "clfkit[webdataset]"'
        ) from None
    for start, end in re.findall(r"\{(-?\d+)\.\.(-?\d+)", pattern):  # the library would hold all numbers
        if abs(int(end) - int(start)) >= MOST_SHARDS:
            raise DataError(f"data.shards: {{{start}..{end}}} is more than {MOST_SHARDS:,} shards")
    try:
        return iter(braceexpand(pattern))
    except ValueError:
        raise DataError(f"data.shards: unbalanced braces in {pattern!r}") from None


def _parts(root: str, names: Sequence[str]) -> list[Part] | None:
    """The part that each shard's name tells; None if none does. Raises DataError if only some do, or one tells two."""
    found: list[Part | None] = []
    for name in names:
        words = re.findall(r"[a-z]+", name.removesuffix(".tar").lower())
        told = sorted({PART_NAMES[word] for word in words if word in PART_NAMES})
        if len(told) > 1:
            raise DataError(f"data.root: {root}: the name of shard {name} tells two parts: {' and '.join(told)}")
        found.append(told[0] if told else None)
    if not any(found):
        return None
    if None in found:
        with_part = next(name for name, part in zip(names, found, strict=True) if part)
        raise DataError(
            f"data.root: {root}: the name of shard {names[found.index(None)]} tells no part, and that of {with_part} "
            "does; name all or none, or choose some with data.shards"
        )
    return [part for part in found if part]


def _classes(root: Path, index: ShardIndex) -> Coded:
    """The name of each sample's class. Raises DataError for a number that the list of classes does not have."""
    listed = _listed_classes(root)
    names = []
    for code, label in enumerate(index.labels):
        if isinstance(label, int) and listed is not None:
            file, classes = listed
            if label >= len(classes):
                sample = index.ids[int(np.argmax(index.codes == code))]
                raise DataError(f"{root}/{sample}: class number {label}, but {file} lists {len(classes)}")
            names.append(classes[label])
        else:
            names.append(str(label))
    coded = Coded.of(names)  # 7 and "7" are one class
    return Coded(coded.codes[index.codes], coded.names)


def _listed_classes(root: Path) -> tuple[str, list[str]] | None:
    """The file beside the shards that lists the classes by number, and their names."""
    found = [file for file in (root / "classes.txt", root / "classes.json") if file.is_file()]
    if not found:
        return None
    if len(found) > 1:
        raise DataError(f"data.root: {root} has both classes.txt and classes.json; keep one")
    file = found[0]
    try:
        text = file.read_text(encoding="utf-8")
        names = [line.strip() for line in text.splitlines()] if file.suffix == ".txt" else json.loads(text)
    except (OSError, ValueError, RecursionError):
        raise DataError(f"{file}: cannot be read as {'UTF-8 text' if file.suffix == '.txt' else 'JSON'}") from None
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise DataError(f"{file}: must be a list of class names")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{file}: lists the class {twice!r} twice")
    return file.name, names
