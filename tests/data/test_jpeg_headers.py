"""Plain JPEG files are told from all others, and decoded to the same pixels as by Pillow's way."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from clfkit.data.bundle import ImageFormat, PixelArray
from clfkit.data.decoding import decode_image
from clfkit.data.jpeg_headers import plain_size
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


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 700), st.binary(max_size=3), st.integers(0, 3))
@example(2, b"", 4)
def test_damage_is_found_as_it_is_in_pillows_way(at: int, put: bytes, removed: int) -> None:
    """Whatever bytes of a header are changed, lost or added: the same pixels, or refused by both."""
    content = jpeg(size=(40, 40))
    damaged = content[:at] + put + content[at + removed :]
    image_format = ImageFormat(height=16, width=16, channels=3, decoder="simplejpeg")

    def seen(file: bytes) -> PixelArray | str:
        try:
            return decode_image(Path("a.jpg"), image_format, file)
        except BadImage as bad:
            return bad.fault

    ours = seen(damaged)
    with patch("clfkit.data.decoding.plain_size", return_value=None):
        assert np.array_equal(ours, seen(damaged))
