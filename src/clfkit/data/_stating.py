"""Sizes and times of files as numbers; run by itself, of those whose names come in, for a process that asks several.

It imports next to nothing, so that such a process has begun within 20 ms.
"""

import os
import stat
import sys
from array import array
from collections.abc import Iterable

NO_FILE = (-1, 0, 0)


def numbers(folder: bytes, names: Iterable[bytes]) -> "array[int]":
    """Size in bytes, time of change and time of the entry's change, in ns, of `folder` + each name, one after the
    other; NO_FILE for what is no regular file or cannot be looked at. None is opened."""
    found = array("q")
    look, is_file, extend = os.stat, stat.S_ISREG, found.extend
    for name in names:
        try:
            state = look(folder + name)
        except OSError:
            extend(NO_FILE)
        else:
            extend((state.st_size, state.st_mtime_ns, state.st_ctime_ns) if is_file(state.st_mode) else NO_FILE)
    return found


if __name__ == "__main__":
    asked = sys.stdin.buffer.read().split(b"\0")
    sys.stdout.buffer.write(numbers(os.fsencode(sys.argv[1]), asked).tobytes())
