"""Plain JPEG files are told from all others, and decoded to the same pixels as by Pillow's way."""

from __future__ import annotations

import io
import weakref
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from clfkit.data.bundle import Decoder, ImageFormat, PixelArray
from clfkit.data.decoding import decode_image, decode_in_steps
from clfkit.data.jpeg_headers import plain_size
from clfkit.data.lockstep import finished
from clfkit.errors import BadImage


def jpeg(mode: str = "RGB", size: tuple[int, int] = (23, 17), **options: Any) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def with_segment(content: bytes, marker: int, payload: bytes) -> bytes:
    """The same file with one more segment at its beginning."""
    return content[:2] + bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload + content[2:]


PLAIN = [
    {}, {"mode": "L"}, {"progressive": True}, {"optimize": True}, {"quality": 30}, {"comment": "hello"},
    {"icc_profile": b"p" * 70_000}, {"subsampling": 2}, {"restart_marker_rows": 1}, {"size": (1, 300)},
]  # fmt: skip


@pytest.mark.parametrize("options", PLAIN, ids=str)
def test_size_of_plain_files(options: dict[str, Any]) -> None:
    content = jpeg(**options)
    assert plain_size(content) == Image.open(io.BytesIO(content)).size[::-1]


def exif(orientation: int) -> Image.Exif:
    said = Image.Exif()
    said[0x0112] = orientation
    return said


OTHERS = {
    "EXIF": jpeg(exif=exif(6)),
    "XMP": jpeg(xmp=b"<x:xmpmeta tiff:Orientation='6'/>"),
    "four colours": jpeg("CMYK"),
    "another picture behind": with_segment(jpeg(), 0xE2, b"MPF\0" + bytes(30)),
    "half of JFIF": with_segment(jpeg(), 0xE0, b"JFIF\0\1"),
    "Adobe": with_segment(jpeg(), 0xEE, b"Adobe" + bytes(7)),
    "12 bits": jpeg().replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    "no height": jpeg().replace(b"\x08\x00\x11\x00\x17", b"\x08\x00\x00\x00\x17"),
    "two frames": with_segment(jpeg(), 0xC0, b"\x08\0\x11\0\x17\x03" + bytes(9)),
    "arithmetic codes": jpeg().replace(b"\xff\xc0\x00\x11", b"\xff\xc9\x00\x11"),
    "tables of 16 bits": with_segment(jpeg(), 0xDB, b"\x10" + bytes(128)),
    "half a table": with_segment(jpeg(), 0xDB, bytes(64)),
    "something before a marker": jpeg()[:2] + b"\0" + jpeg()[2:],
    "PNG": b"\x89PNG\r\n\x1a\n" + jpeg(),
    "nothing": b"",
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_all_else_is_not_plain(content: bytes) -> None:
    assert plain_size(content) is None


def seen(content: bytes, decoder: Decoder = "simplejpeg") -> PixelArray | str:
    """The pixels of a file, or how it is refused."""
    try:
        return decode_image(Path("a.jpg"), ImageFormat(height=16, width=16, channels=3, decoder=decoder), content)
    except BadImage as bad:
        return str(bad)


def seen_by_pillows_way(content: bytes) -> PixelArray | str:
    with patch("clfkit.data.decoding.plain_size", return_value=None):
        return seen(content)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 700), st.binary(max_size=3), st.integers(0, 3))
@example(2, b"", 4)
def test_damage_is_found_as_it_is_in_pillows_way(at: int, put: bytes, removed: int) -> None:
    """Whatever bytes of a header are changed, lost or added: the same pixels, or refused by both in the same words."""
    content = jpeg(size=(40, 40))
    damaged = content[:at] + put + content[at + removed :]
    assert np.array_equal(seen(damaged), seen_by_pillows_way(damaged))


FRAME = b"\x08\0\x10\0\x10\x03"
BEGINNINGS = (b"", b"JFIF\0", b"ICC_PROFILE\0", b"Exif\0\0", b"MPF\0", b"Adobe", b"\0", b"\x10", FRAME)
MARKERS = (0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0xD0, 0x00)


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO file")
@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(MARKERS) | st.integers(0, 255),
    st.sampled_from(BEGINNINGS), st.binary(max_size=20) | st.sampled_from([bytes(64), bytes(65), bytes(128)]),
)  # fmt: skip
@example(0xE0, b"JFIF\0", b"\1")
def test_any_further_segment_is_met_as_in_pillows_way(marker: int, beginning: bytes, rest: bytes) -> None:
    content = with_segment(jpeg(size=(40, 40)), marker, beginning + rest)
    assert np.array_equal(seen(content), seen_by_pillows_way(content))


@pytest.mark.parametrize("error", [RuntimeError("odd"), OSError("odd"), TypeError("odd"), ValueError("odd")], ids=repr)
@pytest.mark.parametrize("where", ["jpeg_decoder", "fitted"])
def test_whatever_a_library_raises_is_told_of_the_file(where: str, error: Exception) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    there = {"jpeg_decoder": lambda _: fails, "fitted": fails}[where]
    with patch(f"clfkit.data.decoding.{where}", there):
        assert seen(jpeg()) == "a.jpg: damaged image: odd"


def test_files_beyond_the_limit_are_refused() -> None:
    content = jpeg()
    with patch("clfkit.data.decoding.MOST_JPEG_BYTES", len(content) - 1):
        assert "bytes are more than" in str(seen(content))


def test_what_pillow_has_opened_does_not_wait() -> None:
    """A header of a few bytes can make it hold hundreds of megabytes, and eight images a thread may wait."""
    file = io.BytesIO()
    Image.new("RGBA", (300, 300)).save(file, "PNG")
    opened: list[object] = []
    plain = Image.open

    def watched(*arguments: Any, **options: Any) -> Image.Image:
        image = plain(*arguments, **options)
        opened.append(weakref.ref(image))
        return image

    with patch("PIL.Image.open", watched):
        image_format = ImageFormat(height=16, width=16, channels=1)
        work = decode_in_steps(Path("a.png"), image_format, file.getvalue())
        next(work)
    assert [reference() for reference in opened] == [None]
    assert finished(work).shape == (1, 16, 16)
