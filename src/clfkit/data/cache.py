"""Decoded images on the disk, so that every image file is decoded once, not once an epoch or once a run."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from clfkit.data.bundle import ImageFormat, IndexArray, Inputs, PixelArray
from clfkit.data.images import MEGABYTE, Images, decode_all, fits
from clfkit.data.pixel_files import PixelFile, kept_files, remove
from clfkit.reporting import say, work

GIGABYTE = 1000 * MEGABYTE
SPARE_BYTES = GIGABYTE  # free space that a cache leaves to others
OURS = re.compile(r".*-[0-9a-f]{12}")  # names that `cache_path` gives


def cache_path(where: str, root: Path, *about: str) -> Path | None:
    """Below `where` (`auto`: the user's folder for caches) what belongs to `root` and `about`; None for `off`."""
    if where == "off":
        return None
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clfkit"
    real = os.path.realpath(root)
    digest = hashlib.sha256(os.fsencode("\0".join((real, *about)))).hexdigest()
    name = re.sub(r"[^\w.-]+", "_", Path(real).name)[:40]
    return (home if where == "auto" else Path(where)) / f"{name}-{digest[:12]}"


@dataclass(frozen=True)
class CacheFolder:
    """The folder for the decoded images of one dataset in one format.

    limit: gigabytes that all such folders beside it may take together.
    """

    path: Path
    limit: float

    @classmethod
    def of(cls, where: str, limit: float, root: Path, about: str, image_format: ImageFormat) -> CacheFolder | None:
        """The folder below `where`, see `cache_path`; None for `off`."""
        path = cache_path(where, root, about, image_format.model_dump_json())
        return None if path is None else cls(path, limit)

    @contextlib.contextmanager
    def held(self) -> Iterator[OSError | None]:
        """The folder for this process alone; says so when another one is waited for.

        Yields what refused it, where it can be read at most: it is then not held. Raises OSError for other reasons.
        """
        with contextlib.ExitStack() as stack:
            refusal = None
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                lock = FileLock(self.path / "lock")
                try:
                    stack.enter_context(lock.acquire(timeout=0))
                except Timeout:
                    say(f"waiting for another run that decodes the same images into {self.path}")
                    stack.enter_context(lock.acquire())
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EROFS):
                    raise
                refusal = error
            yield refusal

    def make_room(self, size: int) -> bool:
        """Whether `size` bytes are within the limit, beside what others take.

        As long as they are not, other folders are emptied, those first that no run has used for longest, and this is
        said; one that is held is passed over. A process that has images open may go on with them.
        """
        others = _others(self.path)
        total = size + sum(taken for _, taken in others)
        for path, taken in others:
            if total <= self.limit * GIGABYTE:
                break
            with contextlib.suppress(OSError, Timeout), FileLock(path / "lock").acquire(timeout=0):
                remove(kept_files(path))  # the folder stays, and the lock, which others may be waiting for
            total += (left := _taken(path)) - taken
            if left < taken:
                say(f"removed decoded images that were not used for longest: {_shown(taken - left)} in {path}")
        return total <= self.limit * GIGABYTE

    def touch(self) -> None:
        """Note that it was used."""
        with contextlib.suppress(OSError):
            os.utime(self.path)


def _others(path: Path) -> list[tuple[Path, int]]:
    """Other folders of decoded images beside `path`, the one first that was not used for longest; bytes of each."""
    found = []
    for entry in os.scandir(path.parent):
        if entry.name != path.name and OURS.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):  # removed by hand just now
                found.append((entry.stat().st_mtime_ns, Path(entry.path), _taken(Path(entry.path))))
    return [(folder, taken) for _, folder, taken in sorted(found) if taken]


def _taken(folder: Path) -> int:
    """Bytes that the images of a folder take, or will when they are all decoded."""
    total = 0
    for file in kept_files(folder):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def load_images(images: Images, megabytes: int, folder: CacheFolder | None = None) -> Inputs:
    """Images as one array if they take no more than `megabytes`, else as inputs that are read when they are asked for.

    folder: where they are cached, if anywhere. Raises DataError naming a file that cannot be read.
    """
    cached = load_cached(images, folder, megabytes) if folder else None
    if cached is not None:
        return cached
    if not fits(len(images), images.format, megabytes):
        return images
    with work("decoding images", len(images)) as progress:
        return decode_all(images, progress.advance)


def load_cached(images: Images, folder: CacheFolder, megabytes: int) -> Inputs | None:
    """The images from the cache, where those that it lacks are put first; None where there can be no cache.

    One array up to `megabytes`, beyond that `CachedImages`. What stands in the way of a cache (the limit, a full
    disk, a folder that cannot be written) is said, and is no error. Raises DataError naming a file that cannot be read.
    """
    size = int(np.prod(images.shape))
    if size > folder.limit * GIGABYTE:
        say(f"note: decoded images take {_shown(size)}, more than data.cache_limit ({folder.limit:g} GB): not cached")
        return None
    resident = fits(len(images), images.format, megabytes)
    kept = PixelFile.of(folder.path, images)
    try:
        with folder.held() as refusal:
            if missing := kept.missing(check=resident):
                if refusal:
                    raise refusal
                if not folder.make_room(size):
                    say(f"note: other runs hold what data.cache_limit ({folder.limit:g} GB) allows: not cached")
                    return None
                if size + SPARE_BYTES > kept.free:  # not beside what is there of the time before files changed
                    kept.remove_others()
                if size + SPARE_BYTES > (free := kept.free):
                    say(f"note: {folder.path} has {_shown(free)} free, decoded images take {_shown(size)}: not cached")
                    return None
                kept.fill(images, missing)
            say(f"decoded images: {_shown(size)} in {folder.path}")
            if not refusal:
                kept.remove_others()
                folder.touch()
            pixels = kept.pixels()
    except (OSError, NotImplementedError) as error:  # the latter where a file system has no locks
        say(f"note: images are not cached in {folder.path}: {getattr(error, 'strerror', None) or error}")
        return None
    return np.array(pixels) if resident else CachedImages(pixels, images.marks)


@dataclass(frozen=True)
class CachedImages:
    """Decoded images in a file that is mapped into memory: batches are gathered from it, processes share its pages."""

    pixels: PixelArray
    marks: IndexArray

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, channels, height, width)."""
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """uint8."""
        return self.pixels.dtype

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, indices: IndexArray) -> PixelArray:
        return self.pixels[indices]


def _shown(size: int) -> str:
    """Bytes in megabytes or gigabytes."""
    return f"{size / GIGABYTE:.1f} GB" if size >= GIGABYTE else f"{max(1, round(size / MEGABYTE))} MB"
