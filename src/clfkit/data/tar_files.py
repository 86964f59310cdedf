"""The regular files inside an uncompressed tar: their names and where their bytes lie; nothing is extracted."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from clfkit.errors import DataError

LONGEST_HEADER = 1 << 20  # bytes of one extended header; a longer one is refused
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class Member(NamedTuple):
    """One file in a tar: `size` bytes from `offset` on."""

    name: str
    offset: int
    size: int


def read_members(path: Path) -> Iterator[Member]:
    """The regular files of a tar (POSIX or GNU) in order; links, folders and devices are passed over.

    Memory does not depend on the tar's size. Raises DataError for a tar that is compressed, cut off or damaged, for
    sparse files in it and for names that are not valid UTF-8.
    """
    try:
        with _Headers(io.FileIO(path)) as file:
            _refuse_compressed(path, os.pread(file.fileno(), 8, 0))
            length = os.fstat(file.fileno()).st_size
            with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as tar:
                at = 0
                while any(block := os.pread(file.fileno(), tarfile.BLOCKSIZE, at)):  # a block of zeros ends a tar
                    plain = None if tar.pax_headers else _plain(block, at)
                    if plain is None:
                        file.seek(at)
                        found = tarfile.TarInfo.fromtarfile(tar)  # unlike iteration it keeps no earlier header
                        _check(path, found, length)
                        at = tar.offset
                        if found.isreg():
                            yield Member(found.name, found.offset_data, found.size)
                    else:
                        _check_end(path, plain, length)
                        at = plain.offset + -(-plain.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                        yield plain
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise DataError(f"{path}: not a tar file, cut off or damaged: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def read_member(path: Path, file: io.FileIO, member: Member) -> bytes:
    """The bytes of one file of an opened tar. Raises DataError for a tar that was cut since."""
    content = os.pread(file.fileno(), member.size, member.offset)
    if len(content) != member.size:
        raise DataError(f"{path}/{member.name}: cut off since its header was read")
    return content


def _plain(block: bytes, at: int) -> Member | None:
    """The file of an ordinary header, which nearly all are, in a third of tarfile's time; None for any other block."""
    if block[156:157] != tarfile.REGTYPE or len(block) != tarfile.BLOCKSIZE:
        return None
    size, checksum = block[124:135], block[148:156].partition(b"\0")[0].strip()
    if not (size.isdigit() and block[135] in b" \0" and checksum.isdigit()):
        return None
    try:
        if int(checksum, 8) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
            return None
        name, prefix = (field.partition(b"\0")[0].decode() for field in (block[:100], block[345:500]))
        return Member(f"{prefix}/{name}" if prefix else name, at + tarfile.BLOCKSIZE, int(size, 8))
    except ValueError:  # no octal number, or no UTF-8
        return None


class _Headers(io.BufferedReader):
    """A tar of which only headers are read: one that claims more bytes than any header needs is refused."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= LONGEST_HEADER:
            raise tarfile.ReadError(f"an extended header claims {size:,} bytes")
        return super().read(size)


def _refuse_compressed(path: Path, start: bytes) -> None:
    for magic, name in COMPRESSED.items():
        if start.startswith(magic):
            raise DataError(f"{path}: compressed with {name}, so it has no random access; unpack it to a plain .tar")


def _check(path: Path, found: tarfile.TarInfo, length: int) -> None:
    """Raises DataError for a member that cannot be read where it lies."""
    try:
        found.name.encode()
    except UnicodeEncodeError:
        name = os.fsencode(found.name)
        raise DataError(f"{path}: the name {name!r} is not valid UTF-8; pack it again") from None
    if found.sparse is not None:
        raise DataError(f"{path}: {found.name} is stored as a sparse file; pack it again without --sparse")
    if found.size < 0 or found.isreg():
        _check_end(path, Member(found.name, found.offset_data, found.size), length)


def _check_end(path: Path, member: Member, length: int) -> None:
    if member.size < 0 or member.offset + member.size > length:
        raise DataError(f"{path}: cut off: {member.name} claims {member.size:,} bytes at byte {member.offset:,}")
