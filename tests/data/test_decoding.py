"""One image file becomes the same kind of array whatever it was saved as."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clfkit.data.bundle import ImageFormat
from clfkit.data.decoding import MAX_PIXELS, decode_image
from clfkit.errors import DataError


def form(height: int = 4, width: int = 4, channels: int = 3, resize: str = "crop") -> ImageFormat:
    return ImageFormat.model_validate({"height": height, "width": width, "channels": channels, "resize": resize})


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "webp", "tif", "ppm", "jpg"])
def test_formats(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"a.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    Image.new("RGB", (4, 4), (200, 100, 50)).save(file, **options)
    pixels = decode_image(file, form())
    assert pixels.shape == (3, 4, 4)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[:, 1, 2].astype(int), [200, 100, 50], atol=2 if suffix == "jpg" else 0)


def test_other_formats_are_not_tried_whatever_a_file_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow starts Ghostscript for EPS files."""
    Image.new("RGB", (4, 4)).save(tmp_path / "cat.eps")
    started = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *args, **_: started.append(args))
    (tmp_path / "cat.eps").rename(tmp_path / "cat.jpg")
    for content in (None, (tmp_path / "cat.jpg").read_bytes()):
        with pytest.raises(DataError, match=r"cat\.jpg: not an image in a format that is read \(PNG, JPEG, "):
            decode_image(tmp_path / "cat.jpg", form(), content)
    assert started == []


def test_pictures_of_several_in_one_jpeg_file_are_read(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (4, 4), "white"), Image.new("RGB", (4, 4))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    assert decode_image(tmp_path / "a.jpg", form()).min() > 250


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I"])
@pytest.mark.parametrize("channels", [1, 3])
def test_modes(mode: str, channels: int, tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    if mode.startswith("I"):
        white = Image.fromarray(np.full((4, 4), 65535, np.uint16 if mode == "I;16" else np.int32))
    else:
        white = Image.new("RGB", (4, 4), "white").convert("L" if mode == "LA" else "P" if mode == "PA" else "RGB")
        white = white.convert(mode)
    if mode == "PA":
        file = tmp_path / "a.png"
        white = white.convert("RGBA")
    white.save(file)
    pixels = decode_image(file, form(channels=channels))
    assert pixels.shape == (channels, 4, 4)
    assert (pixels == 255).all()


def test_sixteen_bit_greys_are_scaled(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(np.array([[0, 128 * 257, 65535, 257]], np.uint16)).save(file)
    assert decode_image(file, form(1, 4, 1)).tolist() == [[[0, 128, 255, 1]]]


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    picture.putpixel((1, 0), (0, 0, 0, 0))
    picture.save(tmp_path / "a.png")
    assert decode_image(tmp_path / "a.png", form(1, 2, 1)).tolist() == [[[0, 255]]]


def test_palette_transparency_is_laid_on_white(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "a.gif", transparency=0)
    assert decode_image(tmp_path / "a.gif", form(1, 2))[:, 0].tolist() == [[255, 10], [255, 20], [255, 30]]


def test_camera_orientation_is_applied(tmp_path: Path) -> None:
    picture = Image.new("L", (4, 2), 0)
    picture.paste(255, (0, 0, 1, 2))  # the left column is white
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise: left becomes top
    picture.save(tmp_path / "a.png", exif=exif)
    assert decode_image(tmp_path / "a.png", form(4, 2, 1))[0].tolist() == [[255, 255], [0, 0], [0, 0], [0, 0]]


TURNS = {  # EXIF orientation: what must be done to the stored pixels (height, width)
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
    5: np.transpose, 6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).T, 8: np.rot90,
}  # fmt: skip


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_every_orientation_is_applied(orientation: int, suffix: str, tmp_path: Path) -> None:
    stored = np.kron(np.array([[0, 80], [160, 240]], np.uint8), np.ones((16, 16), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / f"a.{suffix}", exif=exif, quality=95)
    pixels = decode_image(tmp_path / f"a.{suffix}", form(32, 32, 1))[0]
    np.testing.assert_allclose(pixels.astype(int), TURNS[orientation](stored).astype(int), atol=8)


def test_crop_keeps_proportions_and_stretch_does_not(tmp_path: Path) -> None:
    picture = Image.new("L", (12, 4), 0)
    picture.paste(255, (4, 0, 8, 4))
    picture.save(tmp_path / "a.png")
    assert (decode_image(tmp_path / "a.png", form(4, 4, 1)) == 255).all()
    stretched = decode_image(tmp_path / "a.png", form(4, 12, 1, "stretch"))
    assert stretched[0, 0].tolist() == [0] * 4 + [255] * 4 + [0] * 4
    assert decode_image(tmp_path / "a.png", form(4, 4, 1, "stretch")).mean() == pytest.approx(85, abs=3)


def test_a_large_jpeg_is_reduced_as_well_as_a_large_png(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 640, dtype=np.uint8), (480, 1))
    for suffix in ("jpg", "png"):
        Image.fromarray(ramp).convert("RGB").save(tmp_path / f"a.{suffix}", quality=95)
    for channels in (1, 3):
        jpeg, png = (decode_image(tmp_path / f"a.{s}", form(16, 24, channels)).astype(int) for s in ("jpg", "png"))
        assert np.abs(jpeg - png).max() <= 4


def header_of(width: int, height: int) -> bytes:
    """A PNG whose header claims that size, without pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b""))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header_of(60_000, 60_000), "more than the 89,000,000 pixels"),
        (header_of(10_000, 8_901), "more than the 89,000,000"),
        (header_of(10_000, 8_900), "damaged image"),
        (header_of(8, 8), "damaged image"),
        (b"", "an empty file"),
        (b"GIF89a", "damaged image|not an image"),
        (b"hello", "not an image in a format that is read"),
    ],
)
def test_bad_files_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.png"
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"bad\.png: .*({message})"):
        decode_image(file, form())


def test_pillow_warns_of_no_image_that_is_read() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert MAX_PIXELS < Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "bmp", "webp"])
def test_truncated_files_are_named(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"cut\.{suffix}: "):
        decode_image(file, form())


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="floating-point pixels"):
        decode_image(tmp_path / "a.tif", form())


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.png: no such file"):
        decode_image(tmp_path / "a.png", form())
