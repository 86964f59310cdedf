"""Samples in tar shards, in the layout of webdataset: their images, their labels, and pixels at random positions."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import ImageFormat, IndexArray, Inputs, PixelArray
from clfkit.data.decoding import decode_image, shape_of
from clfkit.data.images import decode_each, fits
from clfkit.data.scanning import SUFFIXES
from clfkit.data.tar_files import Member, read_members
from clfkit.errors import DataError
from clfkit.reporting import work

LARGEST_IMAGE = 1 << 30  # bytes of one image file; a larger one is refused
LARGEST_LABEL = 1 << 20

Origin = Literal[".cls", ".json", "folder"]
"""Where a sample's label stands."""


class _Sample(NamedTuple):
    key: str
    image: Member
    label: int | str
    origin: Origin


@dataclass
class ShardIndex:
    """Where each sample's image lies, in flat arrays, and what the shards say about it.

    labels: a number (an index of classes) or a name for each sample. ids: the shard's name, a slash and the key.
    """

    shards: tuple[Path, ...]
    shard: array[int] = field(default_factory=lambda: array("i"))
    offset: array[int] = field(default_factory=lambda: array("q"))
    size: array[int] = field(default_factory=lambda: array("q"))
    labels: list[int | str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)


def index_shards(root: Path, shards: Sequence[Path]) -> ShardIndex:
    """Read the headers and labels of all shards, which lie below `root`; samples without an image are passed over.

    Raises DataError naming shard and sample for a damaged tar, a label that is missing or unreadable, labels of
    several origins, and a key that stands twice in one shard.
    """
    index = ShardIndex(tuple(shards))
    first: _Sample | None = None
    known: dict[int | str, int | str] = {}  # one object for each label, however many samples bear it
    with work("reading shards", len(index.shards)) as progress:
        for number, path in enumerate(index.shards):
            first = _add(index, number, f"{path.relative_to(root).as_posix()}/", known, first)
            progress.advance()
    return index


def _add(
    index: ShardIndex, number: int, prefix: str, known: dict[int | str, int | str], first: _Sample | None
) -> _Sample | None:
    """Add the samples of one shard; the first sample of all shards, whose label's origin the others must share."""
    seen: set[str] = set()
    path = index.shards[number]
    for sample in _read_samples(path):
        where, first = f"{path}/{sample.key}", first or sample
        if sample.origin != first.origin:
            raise DataError(
                f"{where}: its label comes from {_said(sample.origin)}, and that of {first.key} from "
                f"{_said(first.origin)}; all must come from the same"
            )
        if sample.key in seen:
            raise DataError(f"{where}: stands twice; the files of one sample must follow each other")
        seen.add(sample.key)
        index.shard.append(number)
        index.offset.append(sample.image.offset)
        index.size.append(sample.image.size)
        index.labels.append(known.setdefault(sample.label, sample.label))
        index.ids.append(prefix + sample.key)
    return first


def load_shard_images(index: ShardIndex, image_format: ImageFormat, megabytes: int) -> Inputs:
    """The images as one array if that takes no more than `megabytes`, else decoded whenever they are asked for."""
    try:
        found = [path.stat() for path in index.shards]
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from None
    states = np.array([(stat.st_size, stat.st_mtime_ns) for stat in found], np.int64).reshape(-1, 2)
    shard, offset, size = (np.frombuffer(column, column.typecode) for column in (index.shard, index.offset, index.size))
    images = ShardImages(index.shards, states, shard, offset, size, image_format)
    if not fits(len(images), image_format, megabytes):
        return images
    with work("decoding images", len(images)) as progress:
        return decode_each(len(images), images.decode, image_format, progress.advance)


@dataclass(frozen=True)
class ShardImages:
    """Images in shards as inputs that are read and decoded whenever they are asked for.

    states: size in bytes and time of change in ns of each shard. Sample i is the file of `size[i]` bytes from
    `offset[i]` on in shard number `shard[i]`. No file is kept open, so that processes may share it.
    """

    shards: tuple[Path, ...]
    states: IndexArray
    shard: npt.NDArray[np.int32]
    offset: IndexArray
    size: IndexArray
    format: ImageFormat

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, channels, height, width)."""
        return (len(self), *shape_of(self.format))

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """uint8."""
        return np.dtype(np.uint8)

    @property
    def marks(self) -> IndexArray:
        """Place of each image in its shard, and the shard's size and time of change in ns (N, 4)."""
        return np.column_stack((self.offset, self.size, self.states[self.shard]))

    def __len__(self) -> int:
        return len(self.shard)

    def __getitem__(self, indices: IndexArray) -> PixelArray:
        """The pixels of the images at `indices`. Raises DataError naming the shard and the byte of a damaged one."""
        chosen = np.arange(len(self))[indices]
        return decode_each(len(chosen), lambda position: self.decode(int(chosen[position])), self.format)

    def decode(self, position: int) -> PixelArray:
        """The pixels of one image. Raises DataError as access by indices does."""
        path = self.shards[self.shard[position]]
        member = Member(f"image at byte {self.offset[position]}", int(self.offset[position]), int(self.size[position]))
        try:
            with FileIO(path) as file:
                content = _content(path, file, member)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from None
        return decode_image(path / member.name, self.format, content)


def _read_samples(path: Path) -> Iterator[_Sample]:
    """The samples of one shard: files in a row whose names agree up to the first dot of the base name."""
    try:
        with FileIO(path) as file:
            current, files = "", dict[str, Member]()
            for member in read_members(path):
                key, suffix = _key_and_suffix(member.name)
                if not key:
                    continue
                if key != current:
                    yield from _sample(path, file, current, files)
                    current, files = key, {}
                if suffix in files:
                    raise DataError(f"{path}/{key}: has two files {suffix}")
                files[suffix] = member
            yield from _sample(path, file, current, files)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def _key_and_suffix(name: str) -> tuple[str, str]:
    """`a/b.c.jpg` → (`a/b`, `.c.jpg`); empty for names that lead elsewhere, are hidden or have no suffix."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or not parts or any(part.startswith(".") for part in parts):
        return "", ""
    stem, dot, suffix = parts[-1].partition(".")
    return ("/".join([*parts[:-1], stem]), dot + suffix.lower()) if suffix else ("", "")


def _sample(path: Path, file: FileIO, key: str, files: Mapping[str, Member]) -> Iterator[_Sample]:
    """The sample that some files make, if one of them is an image."""
    where = f"{path}/{key}"
    images = [suffix for suffix in files if suffix in SUFFIXES]
    if not images:
        return
    if len(images) > 1:
        raise DataError(f"{where}: has more than one image: {' and '.join(images)}")
    image = files[images[0]]
    if image.size > LARGEST_IMAGE:
        raise DataError(f"{where}: an image file of {image.size:,} bytes is more than the {LARGEST_IMAGE:,} read")
    label: int | str | None = None
    origin: Origin = ".cls"
    if ".cls" in files:
        label = _label_of_text(where, _small(path, file, files[".cls"]))
    elif ".json" in files:
        origin, label = ".json", _label_of_json(where, _small(path, file, files[".json"]))
    if label is None:
        folders = key.split("/")[:-1]
        if not folders:
            raise DataError(f"{where}: has no label: neither a .cls, nor a «label» in a .json, nor a folder")
        origin, label = "folder", folders[-1]
    yield _Sample(key, image, label, origin)


def _label_of_text(where: str, content: bytes) -> int | str:
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or "\n" in text:
        raise DataError(f"{where}.cls: must hold the number or the name of a class, not {content[:40]!r}")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def _label_of_json(where: str, content: bytes) -> int | str | None:
    """The value of «label», if there is one."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise DataError(f"{where}.json: not valid JSON") from None
    label = value.get("label") if isinstance(value, dict) else None
    if label is None or (isinstance(label, str) and label) or (type(label) is int and label >= 0):
        return label
    raise DataError(f"{where}.json: label must be the number or the name of a class, not {str(label)[:40]!r}")


def _small(path: Path, file: FileIO, member: Member) -> bytes:
    if member.size > LARGEST_LABEL:
        raise DataError(f"{path}/{member.name}: {member.size:,} bytes are too many for a label")
    return _content(path, file, member)


def _content(path: Path, file: FileIO, member: Member) -> bytes:
    content = os.pread(file.fileno(), member.size, member.offset)
    if len(content) != member.size:
        raise DataError(f"{path}/{member.name}: cut off since its header was read")
    return content


def _said(origin: Origin) -> str:
    return "its folder" if origin == "folder" else f"a {origin}"
