"""Images in tar shards as inputs, read at random positions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from clfkit.data.bundle import ImageFormat, IndexArray, PixelArray
from clfkit.data.decoding import decode_image, decode_in_steps, shape_of, whole_picture
from clfkit.data.images import decode_each
from clfkit.data.lockstep import Steps
from clfkit.data.shards import ShardIndex
from clfkit.data.tar_files import Member, read_member
from clfkit.errors import BadImage, DataError


@dataclass(frozen=True)
class ShardImages:
    """Images in shards as inputs that are read and decoded whenever they are asked for.

    states: size in bytes, time of change and time of the entry's change, in ns, of each shard: (shards, 3).
    No file is kept open, so that processes may share it.
    """

    shards: tuple[Path, ...]
    states: IndexArray
    index: ShardIndex
    format: ImageFormat

    @classmethod
    def of(cls, shards: Sequence[Path], index: ShardIndex, image_format: ImageFormat) -> ShardImages:
        """The images that an index of these shards names. Raises DataError for a missing shard."""
        try:
            found = [path.stat() for path in shards]
        except OSError as error:
            raise DataError(f"{error.filename}: {error.strerror}") from None
        states = [(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for stat in found]
        return cls(tuple(shards), np.array(states, np.int64).reshape(-1, 3), index, image_format)

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
        return np.column_stack((self.index.offset, self.index.size, self.states[self.index.shard, :2]))

    def __len__(self) -> int:
        return len(self.index.shard)

    def __getitem__(self, indices: IndexArray) -> PixelArray:
        """The pixels of the images at `indices`. Raises DataError naming the shard and the byte of a damaged one."""
        chosen = np.arange(len(self))[indices]
        return decode_each(len(chosen), lambda position: self.decode_in_steps(chosen[position]), self.format)

    def origins(self) -> Iterator[bytes]:
        """For each image its shard's true path, its place there, and the shard's state."""
        folders = self._true_paths()
        rows = memoryview(self._places().tobytes())
        return (
            folders[shard] + rows[start : start + 40]
            for shard, start in zip(self.index.shard.tolist(), range(0, len(rows), 40), strict=True)
        )

    def together(self) -> Iterator[bytes]:
        """See Images."""
        return iter((*self._true_paths(), self.index.shard.tobytes(), self._places().tobytes()))

    def _true_paths(self) -> list[bytes]:
        return [os.fsencode(os.path.realpath(path)) + b"\0" for path in self.shards]

    def _places(self) -> IndexArray:
        """Where each image lies in its shard, and the state of that (N, 5)."""
        return np.column_stack((self.index.offset, self.index.size, self.states[self.index.shard]))

    def decode(self, row: int | np.integer[Any]) -> PixelArray:
        """The pixels of one image. Raises BadImage, and DataError for a shard that cannot be read."""
        return decode_image(self.path(row), self.format, self.content(row))

    def decode_in_steps(self, row: int | np.integer[Any]) -> Steps[PixelArray]:
        """The same in steps."""
        return (yield from decode_in_steps(self.path(row), self.format, self.content(row)))

    def whole(self, row: int) -> tuple[PixelArray, str]:
        """See Images."""
        return whole_picture(self.path(row), self.format, self.content(row))

    def lost(self) -> Mapping[int, BadImage]:
        """See Images: what an index names is there."""
        return {}

    def take(self, rows: IndexArray) -> ShardImages:
        """See Images."""
        return replace(self, index=self.index.take(rows))

    def path(self, row: int | np.integer[Any]) -> Path:
        """See Images."""
        return self.shards[int(self.index.shard[row])] / f"image at byte {self.index.offset[row]}"

    def content(self, row: int | np.integer[Any]) -> bytes:
        """See Images."""
        path = self.shards[self.index.shard[row]]
        member = Member(self.path(row).name, int(self.index.offset[row]), int(self.index.size[row]))
        try:
            with FileIO(path) as file:
                return read_member(path, file, member)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from None
