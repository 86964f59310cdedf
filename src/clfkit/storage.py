"""Files that are either there in full or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clfkit.errors import RunError


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
        with changing(path):
            write_through(temporary, content)
        yield temporary
        with changing(path):
            temporary.replace(path)
            flush_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be what is wrong
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def changing(path: Path, deed: str = "write") -> Iterator[None]:
    """What the disk refuses, as RunError: "cannot `deed` `path`: …"."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot {deed} {path}: {error.strerror or error}") from error


def made(folder: Path) -> Path:
    """The folder, which is made where it is not there. Raises RunError."""
    with changing(folder, "make"):
        folder.mkdir(exist_ok=True)
    return folder


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
