"""Which image files a folder holds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from clfkit.data.names import ODD, NameCollector, Names
from clfkit.errors import DataError

Watch = Callable[[str], object]
"""Takes the name of a folder or link on whose state it depends what was found."""

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".bmp": "BMP", ".gif": "GIF",
    ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".pbm": "PPM", ".pgm": "PPM", ".ppm": "PPM", ".pnm": "PPM",
}  # fmt: skip
"""Suffixes of image files, and Pillow's names of the formats that are read, whatever suffix a file has."""

SUFFIXES = frozenset(FORMATS)

UNREAD = frozenset(
    {
        ".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".jpx", ".j2k", ".svg", ".psd", ".ico", ".tga", ".exr",
        ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef", ".srw",
    }
)  # fmt: skip
"""Suffixes of pictures that are not read: who has some among the others should hear that they are left out."""

SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
"""What archives, network disks and file systems put beside the user's own files."""


def is_image(name: str) -> bool:
    """Whether the name ends as that of an image format that is read here."""
    return _suffix(name) in SUFFIXES


def is_unread(name: str) -> bool:
    """Whether the name ends as that of a picture in a format that is not read."""
    return _suffix(name) in UNREAD


def _suffix(name: str) -> str:
    return name[name.rfind(".") :].lower()


def suffixes_of(unread: Names) -> str:
    """How many pictures have which suffix, in words."""
    return ", ".join(f"{count:,} {suffix}" for suffix, count in Counter(map(_suffix, unread)).most_common())


def left_out(unread: Names) -> str:
    """What is said of pictures in formats that are not read."""
    return f"pictures in formats that are not read are left out ({suffixes_of(unread)}); convert them to JPEG or PNG"


def entries(directory: str | Path) -> list[os.DirEntry[str]]:
    """What stands in `directory`, sorted by name, without hidden entries and `SYSTEM_FOLDERS`.

    Raises DataError for a folder that cannot be listed and for names that are not valid UTF-8.
    """
    return sorted(_shown(directory), key=lambda entry: entry.name)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one."""
    return Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir()


def leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Whether it is a link to nothing: what it names may come later, with a disk that is not mounted yet."""
    if not entry.is_symlink():
        return False
    try:
        entry.stat()
    except OSError:
        return True
    return False


def folders_in(directory: str | Path, name: str, watch: Watch) -> list[os.DirEntry[str]]:
    """The folders in `directory`, which names call `name`, sorted. Raises DataError as `entries` does.

    watch: called with `name` before it is listed, and with the names of links that lead nowhere.
    """
    watch(name)
    found = entries(directory)
    for entry in filter(leads_nowhere, found):
        watch(f"{name}/{entry.name}" if name else entry.name)
    return [entry for entry in found if is_folder(entry)]


class ImageScan:
    """Finds image files below folders; their names come one folder after the other, sorted within each.

    watch: called with the name of every folder before it is listed, and with those of links that lead nowhere.
    """

    def __init__(self, watch: Watch = lambda name: None) -> None:
        self._watch = watch
        self._found = NameCollector()
        self._unread = NameCollector()

    def add(self, folder: str | Path, name: str) -> int:
        """Take the image files below `folder`, which their names call `name`; returns how many there are.

        Hidden files and folders are passed over. Links to folders are followed, but never into a folder that holds
        the link (a loop), nor twice into the same. Raises DataError as `entries` does.
        """
        found: list[bytes] = []
        unread: list[bytes] = []
        home = Path(os.path.realpath(folder))
        self._below(str(folder), name, frozenset(map(str, home.parents)), set(), found, unread)
        self._found.extend(sorted(found))  # bytes of UTF-8 are ordered as its code points
        self._unread.extend(sorted(unread))
        return len(found)

    def add_file(self, name: str) -> None:
        """Take one file."""
        self._found.extend([name.encode(errors=ODD)])

    def names(self) -> Names:
        """All that were taken."""
        return self._found.names()

    def unread(self) -> Names:
        """Pictures in formats that are not read."""
        return self._unread.names()

    def _below(
        self, directory: str, name: str, above: frozenset[str], seen: set[str], found: list[bytes], unread: list[bytes]
    ) -> None:
        real = os.path.realpath(directory)
        if real in above or real in seen:
            return
        seen.add(real)
        self._watch(name)
        prefix = "" if name in ("", ".") else f"{name}/"
        folders = []
        for entry in _shown(directory):
            if is_folder(entry):
                folders.append(entry)
                continue
            if leads_nowhere(entry):
                self._watch(prefix + entry.name)
            if is_image(entry.name):
                found.append((prefix + entry.name).encode(errors=ODD))
            elif is_unread(entry.name):
                unread.append((prefix + entry.name).encode(errors=ODD))
        for folder in sorted(folders, key=lambda entry: entry.name):
            self._below(folder.path, prefix + folder.name, above | {real}, seen, found, unread)


def _shown(directory: str | Path) -> Iterator[os.DirEntry[str]]:
    """What stands in a folder, in no order; see `entries`."""
    try:
        with os.scandir(directory) as found:
            for entry in found:
                if not entry.name.startswith(".") and entry.name not in SYSTEM_FOLDERS:
                    entry.name.encode()
                    yield entry
    except UnicodeEncodeError as error:
        raise DataError(
            f"{directory}: the file name {os.fsencode(error.object)!r} is not valid UTF-8; rename the file"
        ) from None
    except OSError as error:
        raise DataError(f"{directory}: cannot be listed: {error.strerror}") from None
