"""What was found in folders or shards, kept in a file that holds as long as they stay as they were."""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.data.cache import OURS, cache_path
from clfkit.data.names import NameCollector, Names
from clfkit.errors import RunError
from clfkit.storage import write_atomically

VERSION = 3  # of the arrays in the files and of what is taken for an image
SETTLED_NS = 2_000_000_000  # the coarsest clock of a file system: a change within it may leave no trace in the times

Arrays = dict[str, npt.NDArray[Any]]


class Watched:
    """Folders and files that an index is made of, and the state of each when it was looked at.

    A folder's time of change tells that names in it came, went or were exchanged; it does not tell that a file in it
    was written to, so what an index keeps must not depend on the content of files that are not watched themselves.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._began = time.time_ns()
        self._names = NameCollector()
        self._states = array("q")

    def add(self, name: str) -> None:
        """Note the state of a folder or file. What changes it from now on is seen, see `settled`."""
        self._names.extend([name.encode()])
        self._states.extend(_state(self.root, name))

    def settled(self) -> bool:
        """Whether nothing changed so short a time ago that another change would not show."""
        states = np.array(self._states, np.int64).reshape(-1, 4)
        return not len(states) or bool(states[:, 1:3].max() < self._began - SETTLED_NS)

    def arrays(self) -> Arrays:
        """Names and states, as an index keeps them."""
        return {**flat("watched", self._names.names()), "states": np.array(self._states, np.int64).reshape(-1, 4)}


@dataclass(frozen=True)
class IndexFile:
    """One file with the arrays of an index of `root`."""

    path: Path
    root: Path

    @classmethod
    def of(cls, where: str, root: Path, *about: str) -> IndexFile | None:
        """The file beside the cache `where` for an index that depends on `about`; None where the cache is off."""
        path = cache_path(where, root, "index", *about)
        return None if path is None else cls(path.with_name(f"{path.name}.index"), root)

    def read(self) -> Arrays | None:
        """The arrays; None where there are none, the file is damaged, or what they were made of has changed."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="np") as file:
                arrays: Arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, it is no dict
        except (OSError, SafetensorError):
            return None
        checksum = arrays.pop("checksum", None)
        if checksum is None or checksum.tolist() != [_checksum(arrays)]:
            return None
        states = arrays["states"].tolist()
        watched = names_in(arrays, "watched")
        unchanged = all(_state(self.root, name) == tuple(state) for name, state in zip(watched, states, strict=True))
        return arrays if unchanged else None

    def write(self, arrays: Arrays, watched: Watched) -> None:
        """Keep the arrays, if what was watched had settled. A disk that refuses costs only time at the next start."""
        if not watched.settled():
            return
        from safetensors.numpy import save

        kept = {**arrays, **watched.arrays(), "root": np.frombuffer(os.fsencode(os.path.realpath(self.root)), np.uint8)}
        kept["checksum"] = np.array([_checksum(kept)], np.int64)
        with contextlib.suppress(OSError, RunError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, save(kept))
            _remove_orphans(self.path.parent)


def _remove_orphans(folder: Path) -> None:
    """Remove the index files of roots that are there no more. Raises OSError."""
    from safetensors import SafetensorError, safe_open

    for path in folder.glob("*.index"):
        if not OURS.fullmatch(path.stem):
            continue
        try:
            with safe_open(path, framework="np") as file:
                root = os.fsdecode(file.get_tensor("root").tobytes())
        except (OSError, SafetensorError):
            continue
        if not Path(root).exists():
            path.unlink()


def flat(key: str, names: Names) -> Arrays:
    """Names that follow each other without a gap, as arrays of an index."""
    return {f"{key}.text": np.frombuffer(names.text, np.uint8), f"{key}.ends": names.ends}


def names_in(arrays: Mapping[str, npt.NDArray[Any]], key: str) -> Names:
    """What `flat` made arrays of."""
    return Names.joined(arrays[f"{key}.text"].tobytes(), arrays[f"{key}.ends"])


def _state(root: Path, name: str) -> tuple[int, int, int, int]:
    """Size, time of change, time of the entry's change and number of a file or folder; -1 where there is none."""
    try:
        found = (root / name).stat()
    except OSError:
        return -1, -1, -1, -1
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & ((1 << 63) - 1)


def _checksum(arrays: Arrays) -> int:
    checksum = VERSION
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        checksum = zlib.crc32(f"{key} {array.dtype} {array.shape}".encode(), checksum)
        checksum = zlib.crc32(array.data if array.size else b"", checksum)
    return checksum
