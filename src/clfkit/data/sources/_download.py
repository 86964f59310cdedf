"""The download of a dataset whose files are missing."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clfkit.errors import DataError
from clfkit.wording import printable

PATIENCE = 30.0  # seconds that a server may keep silent during a download


def provide(
    name: str,
    root: str,
    folder: Path,
    files: list[str],
    download: bool,
    fetch: Callable[[], object],
    note: str = "",
) -> None:
    """Download a dataset whose files are missing, if that is allowed.

    fetch downloads. Raises DataError saying which files belong where when that fails or is not allowed.
    """
    expected = f"data.root: {root} has no {name}: expected {', '.join(files)} in {folder}"
    expected += f" ({note})" if note else ""
    if not download:
        raise DataError(f"{expected}; data.download is off")
    try:
        with _patience():
            fetch()
    except (OSError, RuntimeError, zlib.error, EOFError) as error:  # URLError is an OSError
        reason = " ".join(str(error).split())[-60:]  # torchvision lists every mirror; the last word says it
        raise DataError(
            f"{expected}; the download failed: {printable(reason)}. "
            f"Set data.root to the folder that holds {folder.relative_to(root)}"
        ) from None


@contextmanager
def _patience() -> Iterator[None]:
    """Lets silent connections fail after `PATIENCE` seconds; torchvision would wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
