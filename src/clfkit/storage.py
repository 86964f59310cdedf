"""Files that are either there in full or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clfkit.errors import RunError
from clfkit.wording import in_bytes

TEMPORARY = re.compile(r"\..+\.(\d+)\.tmp")
"""Names of files on their way to the disk: .<name>.<process>.tmp"""


def write_atomically(path: Path, content: bytes) -> None:
    """Write under a temporary name, flush to the disk, rename over `path`. Raises RunError."""
    with staged(path, content):
        pass


@contextlib.contextmanager
def staged(path: Path, content: bytes) -> Iterator[Path]:
    """The content on the disk under a temporary name, which takes the place of `path` if nothing is raised meanwhile.

    Raises RunError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with changing(path, size=len(content)):
            write_through(temporary, content)
        yield temporary
        with changing(path):
            temporary.replace(path)
            flush_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):  # the folder itself may be what is wrong
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def changing(path: Path, deed: str = "write", size: int | None = None) -> Iterator[None]:
    """What the disk refuses, as RunError: "cannot `deed` `path`: …". size: the bytes that are to be written there."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot {deed} {path}: {_reason(error, path, size)}") from error


def _reason(error: OSError, path: Path, size: int | None) -> str:
    needed = "" if size is None else f", {in_bytes(size)} are needed"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = free_space(path)
        return "the disk is full" + ("" if free is None else f" ({in_bytes(free)} are free{needed})")
    if error.errno == errno.EFBIG:
        return f"larger than files may be here (ulimit -f, or the file system's own limit{needed})"
    return error.strerror or str(error)


def free_space(path: Path) -> int | None:
    """Bytes that may still be written where a file or folder is or will be; None where nobody knows."""
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(folder).free
    return None


def content_of(path: Path) -> bytes:
    """The bytes of a regular file, which is neither waited for nor larger than the machine's memory. Raises OSError."""
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if state.st_size > _memory():
        raise OSError(errno.EFBIG, f"its {in_bytes(state.st_size)} are more than this machine's memory", str(path))
    return path.read_bytes()


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else sys.maxsize


def made(folder: Path) -> Path:
    """The folder, which is made where it is not there, but for those above it. Raises RunError."""
    if not folder.is_dir():
        with changing(folder, "make"):
            folder.mkdir(exist_ok=True)
    return folder


def removed(folder: Path) -> Path:
    """The place of a folder with all that is in it, or of a file, which is free now. Raises OSError."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
    return folder


def remove_left_over(folder: Path) -> None:
    """Remove, at any depth, what processes that are no more were about to write. Raises RunError."""
    for path in folder.rglob(".*.tmp"):
        found = TEMPORARY.fullmatch(path.name)
        if found and not lives(int(found[1])):
            with changing(path, "remove"):
                removed(path)


def lives(process: int) -> bool:
    """Whether there is such a process on this machine, and it is another one. True where nobody can ask."""
    if process == os.getpid() or os.name != "posix":
        return process != os.getpid()
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def append(path: Path, content: bytes) -> None:
    """Add to a file all or nothing, by one write wherever the disk takes it, so that a kill leaves whole lines.

    Raises RunError.
    """
    with changing(path, size=len(content)), path.open("ab", buffering=0) as file:
        before, rest = file.tell(), memoryview(content)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with contextlib.suppress(OSError):  # what was refused is told
                file.truncate(before)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically. NaN, which JSON lacks, becomes null. Raises RunError."""
    text = json.dumps(without_nan(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode("utf-8"))


def write_through(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk. Raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def without_nan(value: Any) -> Any:
    """The same value with None for every NaN or infinity."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return value
