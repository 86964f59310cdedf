"""Samples in tar shards, in the layout of webdataset: where their images lie, and their labels."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clfkit.data.bundle import IndexArray
from clfkit.data.index import Arrays, IndexFile, Watched, flat, names_in
from clfkit.data.names import NameCollector, Names
from clfkit.data.scanning import SUFFIXES, is_image
from clfkit.data.shard_labels import Origin, label_of_json, label_of_text, said
from clfkit.data.tar_files import Member, read_member, read_members
from clfkit.errors import DataError
from clfkit.reporting import say, work

LARGEST_IMAGE = 1 << 30  # bytes of one image file; a larger one is refused
LARGEST_LABEL = 1 << 20


class _Sample(NamedTuple):
    key: str
    image: Member
    label: int | str
    origin: Origin


class ShardIndex(NamedTuple):
    """Where the image of each of N samples lies, and what the shards say about it.

    shard, offset and size (N,): image i is the file of `size[i]` bytes from `offset[i]` on in shard number `shard[i]`.
    ids: the shard's name, a slash and the key. codes (N,): the positions in `labels`, which hold each label once: a
    number (an index of classes) or a name.
    passed_over: how many images are in no sample, since there is more than a format's suffix behind the first dot of
    their names; example: one of them.
    """

    shard: npt.NDArray[np.int32]
    offset: IndexArray
    size: IndexArray
    ids: Names
    codes: npt.NDArray[np.int32]
    labels: Sequence[int | str]
    passed_over: int = 0
    example: str = ""

    @classmethod
    def of(cls, arrays: Arrays) -> ShardIndex:
        """What `arrays` gave."""
        texts = names_in(arrays, "labels").tolist()
        labels = [int(text) if number else text for text, number in zip(texts, arrays["numbers"], strict=True)]
        columns = arrays["shard"], arrays["offset"], arrays["size"]
        passed_over, example = int(arrays["passed_over"][0]), names_in(arrays, "example")[0]
        return cls(*columns, names_in(arrays, "ids"), arrays["codes"], labels, passed_over, example)

    def arrays(self) -> Arrays:
        """All of it, as an index file keeps it."""
        labels = flat("labels", Names.of(map(str, self.labels)))
        numbers = np.array([isinstance(label, int) for label in self.labels], np.bool_)
        columns: Arrays = {"shard": self.shard, "offset": self.offset, "size": self.size, "codes": self.codes}
        passed_over = {"passed_over": np.array([self.passed_over]), **flat("example", Names.of([self.example]))}
        return {**columns, **flat("ids", self.ids), **labels, "numbers": numbers, **passed_over}

    def take(self, rows: IndexArray) -> ShardIndex:
        """That of the images at these rows."""
        shard, offset, size = self.shard[rows], self.offset[rows], self.size[rows]
        return self._replace(shard=shard, offset=offset, size=size, ids=self.ids[rows], codes=self.codes[rows])

    def loss(self) -> str:
        """What to know about the images that were passed over; empty where there are none."""
        if not self.passed_over:
            return ""
        return (
            f"{self.passed_over:,} images are passed over, such as {self.example}: in shards everything from the first "
            "dot of a name on is its suffix; rename files with more dots"
        )


def index_shards(root: Path, names: Sequence[str], kept: IndexFile | None = None) -> ShardIndex:
    """Headers and labels of all shards, which lie below `root`; samples without an image are passed over.

    Says so where they hold one whose name has too many dots.

    kept: where the index is read from while no shard changes, and written to. Raises DataError naming shard and sample
    for a damaged tar, a label that is missing or unreadable, labels of several origins, and a key that stands twice in
    one shard.
    """
    arrays = kept.read() if kept else None
    if arrays is not None and names_in(arrays, "watched").tolist() == list(names):
        index = ShardIndex.of(arrays)
    else:
        index = _scanned(root, names, kept)
    if len(index.ids) and index.passed_over:
        say(f"note: {index.loss()}")
    return index


def _scanned(root: Path, names: Sequence[str], kept: IndexFile | None) -> ShardIndex:
    watched = Watched(root)
    collected = _Collector()
    with work("reading shards", len(names)) as progress:
        for number, name in enumerate(names):
            watched.add(name)
            collected.add_shard(root, number, name)
            progress.advance()
    index = collected.index()
    if kept:
        kept.write(index.arrays(), watched)
    return index


class _Collector:
    """Takes the samples of one shard after the other."""

    def __init__(self) -> None:
        self._shard, self._codes = array("i"), array("i")
        self._offset, self._size = array("q"), array("q")
        self._labels: dict[int | str, int] = {}
        self._ids = NameCollector()
        self._passed_over = 0
        self._example = ""
        self._first: _Sample | None = None  # whose label's origin all others must share

    def add_shard(self, root: Path, number: int, name: str) -> None:
        """Take the samples of one shard. Raises DataError as `index_shards` does."""
        seen: set[str] = set()
        path = root / name
        for sample in _read_samples(path):
            if isinstance(sample, str):
                self._passed_over += 1
                self._example = self._example or f"{name}/{sample}"
                continue
            self._first = self._first or sample
            if sample.origin != self._first.origin:
                raise DataError(
                    f"{path}/{sample.key}: its label comes from {said(sample.origin)}, and that of {self._first.key} "
                    f"from {said(self._first.origin)}; all must come from the same"
                )
            if sample.key in seen:
                raise DataError(f"{path}/{sample.key}: stands twice; the files of one sample must follow each other")
            seen.add(sample.key)
            self._shard.append(number)
            self._offset.append(sample.image.offset)
            self._size.append(sample.image.size)
            self._codes.append(self._labels.setdefault(sample.label, len(self._labels)))
            self._ids.extend([f"{name}/{sample.key}".encode()])

    def index(self) -> ShardIndex:
        """All that was taken."""
        shard, codes = np.array(self._shard, np.int32), np.array(self._codes, np.int32)
        offset, size = np.array(self._offset, np.int64), np.array(self._size, np.int64)
        passed_over = self._passed_over, self._example
        return ShardIndex(shard, offset, size, self._ids.names(), codes, list(self._labels), *passed_over)


def _read_samples(path: Path) -> Iterator[_Sample | str]:
    """The samples of one shard: files in a row whose names agree up to the first dot of the base name.

    Of those without an image, the names of files that seem to be one.
    """
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


def _sample(path: Path, file: FileIO, key: str, files: Mapping[str, Member]) -> Iterator[_Sample | str]:
    """The sample that some files make, if one of them is an image; else the names of those that seem to be one."""
    where = f"{path}/{key}"
    images = [suffix for suffix in files if suffix in SUFFIXES]
    if not images:
        yield from (member.name for suffix, member in files.items() if is_image(suffix))
        return
    if len(images) > 1:
        raise DataError(f"{where}: has more than one image: {' and '.join(images)}")
    image = files[images[0]]
    if image.size > LARGEST_IMAGE:
        raise DataError(f"{where}: an image file of {image.size:,} bytes is more than the {LARGEST_IMAGE:,} read")
    label: int | str | None = None
    origin: Origin = ".cls"
    if ".cls" in files:
        label = label_of_text(where, _small(path, file, files[".cls"]))
    elif ".json" in files:
        origin, label = ".json", label_of_json(where, _small(path, file, files[".json"]))
    if label is None:
        folders = key.split("/")[:-1]
        if not folders:
            raise DataError(f"{where}: has no label: neither a .cls, nor a «label» in a .json, nor a folder")
        origin, label = "folder", folders[-1]
    yield _Sample(key, image, label, origin)


def _small(path: Path, file: FileIO, member: Member) -> bytes:
    if member.size > LARGEST_LABEL:
        raise DataError(f"{path}/{member.name}: {member.size:,} bytes are too many for a label")
    return read_member(path, file, member)
