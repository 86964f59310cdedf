"""What is no sound image file is told for what it is, before it is decoded and without waiting for it."""

from __future__ import annotations

import copy
import errno
import io
import os
import socket
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from clfkit.data.opening import opened_file, read_file, read_header
from clfkit.errors import BadImage, DataError


def fault_of(path: Path, content: bytes | None = None) -> tuple[str, str]:
    with pytest.raises(BadImage) as found:
        read_header(path, content)
    assert str(found.value) == f"{path}: {found.value.reason}"
    return found.value.fault, found.value.reason


def test_a_sound_file_says_what_it_is(tmp_path: Path) -> None:
    Image.new("L", (7, 3)).save(tmp_path / "a.jpg", "PNG")
    size = (tmp_path / "a.jpg").stat().st_size
    content = (tmp_path / "a.jpg").read_bytes()
    assert read_header(tmp_path / "a.jpg") == ("PNG", 7, 3, "L", size) == read_header(Path("shard/1"), content)


@pytest.mark.parametrize(
    ("content", "fault", "reason"),
    [
        (b"", "empty", "an empty file"),
        (b"hello", "unknown format", "not an image in a format that is read (PNG, "),
        (b"<!DOCTYPE html>", "unknown format", "a web page, not an image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "unknown format", "HEIC, not an image"),
        (b"\x89PNG\r\n\x1a\n\0\0", "damaged", "damaged image: its PNG header is cut off or damaged"),
        (b"\xff\xd8\xff\xe0\0\x10JF", "damaged", "damaged image"),
    ],
)
def test_faults_of_content(content: bytes, fault: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    for found in (fault_of(tmp_path / "a.png"), fault_of(Path("shard/1"), content)):
        assert found[0] == fault
        assert found[1].startswith(reason)


def test_what_stumbles_in_pillow_is_damage(tmp_path: Path) -> None:
    """A TIFF tag of the wrong kind in the Exif data of a JPEG: its resolution is text."""
    tags = Image.Exif()
    tags[0x0128], tags[0x011A] = 2, 72.0
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "JPEG", exif=tags)
    damaged = file.getvalue().replace(b"\x01\x1a\x00\x05", b"\x01\x1a\x00\x02")
    assert damaged != file.getvalue()
    fault, reason = fault_of(Path("a.jpg"), damaged)
    assert fault == "damaged" and reason.startswith("damaged image: ")


def test_a_file_of_more_bytes_than_pixels_take_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(10**13)  # a hole, which takes no room
    with pytest.raises(BadImage, match="10,000,000,000,000 bytes are more than 89,000,000 pixels take"):
        read_file(tmp_path / "a.png")


def test_a_header_that_claims_too_much_is_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + data)
    assert fault_of(tmp_path / "a.png")[0] == "too large"


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)
        listening.bind("socket.png")
    for name, reason in (("pipe", "a named pipe"), ("folder", "a folder"), ("socket", "a socket")):
        assert fault_of(tmp_path / f"{name}.png") == ("no regular file", f"{reason}, not a file")
    assert fault_of(Path("/dev/null")) == ("no regular file", "a device, not a file")


def test_missing_files_and_links(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "dangling.png").symlink_to("gone.png")
    assert fault_of(tmp_path / "gone.png") == ("missing", "no such file")
    assert fault_of(tmp_path / "dangling.png") == ("missing", "a link to nothing")
    assert fault_of(tmp_path / "loop.png") == ("missing", "too many levels of symbolic links")


@pytest.mark.parametrize(("number", "bad"), [(errno.EACCES, True), (errno.EIO, False), (errno.EMFILE, False)])
def test_what_the_system_refuses_is_told_from_what_the_image_is(
    number: int, bad: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may open everything, so the system's answer is given by hand."""
    (tmp_path / "a.png").write_bytes(b"x")

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DataError, match=os.strerror(number).lower()) as found:
        opened_file(tmp_path / "a.png")
    assert isinstance(found.value, BadImage) is bad


def test_a_bad_image_comes_whole_from_another_process() -> None:
    error = copy.copy(BadImage(Path("a"), "empty", "an empty file"))
    assert (error.path, error.fault, str(error)) == (Path("a"), "empty", "a: an empty file")


def test_a_disk_that_fails_while_it_is_read_says_nothing_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(b"x")

    class Failing(io.FileIO):
        def read(self, _: object = None) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdopen", Failing)
    for reading in (read_header, read_file):
        with pytest.raises(DataError, match="cannot be read: input/output error") as found:
            reading(tmp_path / "a.png")
        assert not isinstance(found.value, BadImage)
