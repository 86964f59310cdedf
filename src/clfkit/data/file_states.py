"""The state of many files: their sizes and times, found without opening any."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clfkit.data import _stating
from clfkit.data.bundle import IndexArray
from clfkit.data.names import Names
from clfkit.data.opening import state_of
from clfkit.data.threads import THREADS, threads
from clfkit.errors import BadImage
from clfkit.reporting import work

FILES_AT_ONCE = 25_000  # that are looked at before it is told; where there are more, by several processes


class FileStates(NamedTuple):
    """What was found of N files.

    stats (N, 3): size in bytes, time of change and time of the entry's change in ns; zeros for lost files.
    lost: the rows whose file is missing or no file at all, and what there is.
    """

    stats: IndexArray
    lost: Mapping[int, BadImage]


def look_at(root: Path, names: Names) -> FileStates:
    """The files of these names; none is opened. Raises DataError for a disk that cannot be read."""
    stats = np.empty((len(names), 3), np.int64)
    lost = {}
    with work("looking at files", len(names)) as progress:
        for start, found in _numbers(os.fsencode(root / "_")[:-1], names):
            stats[start : start + len(found)] = found
            for row in (start + np.flatnonzero(found[:, 0] < 0)).tolist():
                try:
                    state = state_of(root / names[row])  # says why, or it is there by now
                    stats[row] = state.st_size, state.st_mtime_ns, state.st_ctime_ns
                except BadImage as bad:
                    stats[row], lost[row] = 0, bad
            progress.advance(len(found))
    return FileStates(stats, lost)


def _numbers(folder: bytes, names: Names) -> Iterator[tuple[int, IndexArray]]:
    """The position of the first file of each piece, and what `_stating.numbers` says of the piece, one row a file.

    For half of the time that it takes to look at a file, the interpreter holds its lock, so that threads gain little.
    """
    starts = range(0, len(names), FILES_AT_ONCE)
    pieces = [names[start : start + FILES_AT_ONCE] for start in starts]
    with threads() as pool:
        alone = len(pieces) == 1 or THREADS == 1 or not sys.executable or hasattr(sys, "frozen")
        asked = [None for _ in pieces] if alone else pool.map(lambda piece: _of_process(folder, piece), pieces)
        for start, piece, found in zip(starts, pieces, asked, strict=True):
            states = found or _stating.numbers(folder, piece.encoded()).tobytes()
            yield start, np.frombuffer(states, np.int64).reshape(-1, 3)


def _of_process(folder: bytes, names: Names) -> bytes | None:
    """The same from a process of its own, as bytes; None where there can be none."""
    command = [sys.executable, "-I", "-S", _stating.__file__, os.fsdecode(folder)]
    try:
        done = subprocess.run(command, input=names.lines(b"\0"), capture_output=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if len(done.stdout) == 24 * len(names) else None
