"""Every decoder of JPEG files gives the same picture, and says so where it cannot."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, DataSpec, Decoder, ImageFormat
from clfkit.data.decoding import decode_image
from clfkit.data.files import read_samples
from clfkit.data.jpeg_decoders import jpeg_decoder, versions
from clfkit.errors import DataError


@pytest.fixture(params=["pillow", "simplejpeg"])
def decoder(request: pytest.FixtureRequest) -> Decoder:
    """A decoder that reduces files while it decodes them."""
    name: Decoder = request.param
    return name


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """512 × 384 pixels with edges, ramps and some noise, as photos have them."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize((512, 384), Resampling.BICUBIC)
    pixels = np.asarray(coarse).astype(int) + rng.integers(-12, 13, (384, 512, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def form(height: int, width: int, decoder: Decoder, **options: Any) -> ImageFormat:
    return ImageFormat.model_validate({"height": height, "width": width, "channels": 3, "decoder": decoder, **options})


def jpeg(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **{"quality": 95, **options})
    return file.getvalue()


def png(content: bytes) -> bytes:
    """The same pixels as a file that is never reduced."""
    file = io.BytesIO()
    Image.open(io.BytesIO(content)).save(file, "PNG")
    return file.getvalue()


def errors(content: bytes, image_format: ImageFormat) -> np.ndarray:
    """Differences, in levels, from a full decode and reduction by Pillow."""
    size, grey = (image_format.width, image_format.height), image_format.channels == 1
    full = Image.open(io.BytesIO(content))
    full.draft("L" if grey else "RGB", None)  # the file's own brightness is its grey
    theirs = np.asarray(full.crop((64, 0, 448, 384)).resize(size, Resampling.BILINEAR)).reshape(*size, -1)
    ours = decode_image(Path("a.jpg"), image_format, content)
    return np.abs(ours.astype(int) - np.moveaxis(theirs, 2, 0))


SAVED = [{}, {"subsampling": 2}, {"subsampling": 1}, {"progressive": True}, {"quality": 60}]


@pytest.mark.parametrize("saved", SAVED, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_a_full_decode(saved: dict[str, Any], channels: int, decoder: Decoder, photo: Any) -> None:
    assert errors(jpeg(photo, **saved), form(200, 200, decoder, channels=channels)).max() <= 1


@pytest.mark.parametrize("side", [160, 96, 90, 48, 40, 20])
def test_reduced_decoding_is_close_to_it(side: int, decoder: Decoder, photo: Image.Image) -> None:
    assert errors(jpeg(photo), form(side, side, decoder)).mean() <= 1.5


@pytest.mark.parametrize("side", [90, 40, 20])
@pytest.mark.parametrize("height", [384, 383, 379, 377])
def test_a_reduced_picture_is_where_the_whole_one_would_be(height: int, side: int, decoder: Decoder) -> None:
    """Half, quarter and eighth pixels at its edges are not taken for whole ones."""
    ramp = np.tile(np.linspace(0, 255, height), (height, 1))
    content = jpeg(Image.fromarray(ramp.astype(np.uint8)))
    grey = form(side, side, decoder, channels=1)
    ours, full = (decode_image(Path("a"), grey, data)[0].astype(int) for data in (content, png(content)))
    assert np.abs(ours - full).mean() <= 0.5


@pytest.mark.parametrize("saved", SAVED, ids=str)
@pytest.mark.parametrize("side", [160, 90, 41, 20, 600])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_decoder_gives_pillows_pixels(
    saved: dict[str, Any], side: int, mode: str, decoder: Decoder, photo: Any
) -> None:
    content = jpeg(photo.convert(mode), **saved)
    for channels in (1, 3):
        ours, pillows = (
            decode_image(Path("a.jpg"), form(side, side + 7, name, channels=channels), content)
            for name in (decoder, "pillow")
        )
        assert np.array_equal(ours, pillows)


TURNS = {  # EXIF orientation: what must be done to the stored pixels (height, width)
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
    5: np.transpose, 6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).T, 8: np.rot90,
}  # fmt: skip


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("scale", [1, 4])
def test_every_orientation_is_applied(orientation: int, scale: int, decoder: Decoder) -> None:
    stored = np.kron(np.array([[0, 80, 120], [160, 240, 40]], np.uint8), np.ones((16, 16), np.uint8))
    seen = TURNS[orientation](stored).astype(int)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = jpeg(Image.fromarray(np.kron(stored, np.ones((scale, scale), np.uint8))), exif=exif)
    pixels = decode_image(Path("a.jpg"), form(*seen.shape, decoder, channels=1), content)[0]
    np.testing.assert_allclose(pixels[4::8, 4::8].astype(int), seen[4::8, 4::8], atol=8)


def test_files_that_are_no_jpeg_are_pillows(decoder: Decoder, photo: Image.Image, tmp_path: Path) -> None:
    photo.convert("RGBA").save(tmp_path / "a.jpg", "PNG")  # a name proves nothing
    ours, pillows = (decode_image(tmp_path / "a.jpg", form(30, 40, name)) for name in (decoder, "pillow"))
    assert np.array_equal(ours, pillows)


def test_truncated_and_oversized_files_are_named(decoder: Decoder, photo: Image.Image, tmp_path: Path) -> None:
    content = jpeg(photo)
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"cut\.jpg: damaged image: "):
        decode_image(tmp_path / "cut.jpg", form(8, 8, decoder))
    at = content.index(b"\xff\xc0") + 5
    (tmp_path / "large.jpg").write_bytes(content[:at] + b"\xea\x60\xea\x60" + content[at + 4 :])
    with pytest.raises(DataError, match=r"large\.jpg: .*more than the 89,000,000"):
        decode_image(tmp_path / "large.jpg", form(8, 8, decoder))


def test_simplejpeg_is_strict(photo: Image.Image) -> None:
    simplejpeg = jpeg_decoder("simplejpeg")
    assert simplejpeg is not None
    content = bytearray(jpeg(photo))
    assert simplejpeg(bytes(content), False, (384, 512), 2).shape == (192, 256, 3)
    with pytest.raises(ValueError, match="two sizes"):
        simplejpeg(bytes(content), False, (385, 512), 1)
    middle = len(content) // 2
    content[middle : middle + 40] = b"\x01" * 40
    decode_image(Path("a.jpg"), form(8, 8, "pillow"), bytes(content))
    with pytest.raises(DataError, match=r"a\.jpg: damaged image: Corrupt JPEG data"):
        decode_image(Path("a.jpg"), form(8, 8, "simplejpeg"), bytes(content))


def flat_jpeg(sampling: tuple[int, int, int], blocks: int) -> bytes:
    """A 48 × 96 picture of one colour with these sampling factors, as many coded blocks of brightness in a unit."""
    content = jpeg(Image.new("RGB", (96, 48), (128, 128, 128)), subsampling=0)
    frame = content.index(b"\xff\xc0") + 11
    scan = content.index(b"\xff\xda") + 14
    factors = bytearray(content[:scan])
    factors[frame : frame + 9 : 3] = bytes(sampling)
    width, height = (8 * max(f >> shift & 15 for f in sampling) for shift in (4, 0))
    first = "110" + "11111" + "1010"  # in the standard's tables: the mean is 31 steps higher, and nothing else
    others = "001010" * (blocks - 1) + "0000" * sum((f >> 4) * (f & 15) for f in sampling[1:])
    units = -(-96 // width) * -(-48 // height)
    bits = first + others + ("001010" + others) * (units - 1)
    bits += "1" * (-len(bits) % 8)
    return bytes(factors) + int(bits, 2).to_bytes(len(bits) // 8, "big") + b"\xff\xd9"


@pytest.mark.parametrize(
    "sampling", [(0x31, 0x11, 0x11), (0x14, 0x11, 0x11), (0x21, 0x12, 0x11), (0x24, 0x11, 0x11), (0x11, 0x11, 0x11)]
)
def test_files_whose_subsampling_simplejpeg_cannot_name_are_pillows(sampling: tuple[int, int, int]) -> None:
    content = flat_jpeg(sampling, (sampling[0] >> 4) * (sampling[0] & 15))
    ours, pillows = (decode_image(Path("a.jpg"), form(20, 30, name), content) for name in ("simplejpeg", "pillow"))
    assert np.array_equal(ours, pillows)
    assert pillows.min() == pillows.max() > 130
    with pytest.raises(DataError, match=r"a\.jpg: damaged image: "):
        decode_image(Path("a.jpg"), form(20, 30, "simplejpeg"), content[:-30])


@pytest.fixture
def without_simplejpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    jpeg_decoder.cache_clear()


MISSING = r"images are decoded by simplejpeg \(data\.decoder\), which is not installed: pip install clfkit\[jpeg\]"


@pytest.mark.usefixtures("without_simplejpeg")
@pytest.mark.parametrize("name", ["image_folder", "webdataset"])
def test_a_missing_library_is_told_before_anything_is_read(name: str) -> None:
    with pytest.raises(DataError, match=MISSING):
        datasets.build(datasets.parse({"name": name, "root": "nowhere", "decoder": "simplejpeg"}), 0)


@pytest.mark.usefixtures("without_simplejpeg")
def test_a_checkpoint_names_the_library_that_it_needs(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "a.jpg")
    spec = DataSpec(
        inputs="image", shape=(3, 8, 8), classes=ClassMap(names=("a", "b")), mean=(0.0,) * 3, std=(1.0,) * 3,
        image=form(8, 8, "simplejpeg"),
    )  # fmt: skip
    with pytest.raises(DataError, match=MISSING):
        read_samples([tmp_path / "a.jpg"], spec)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_torchvisions_pixels_are_pillows_where_its_decoders_load(mode: str, photo: Image.Image, tmp_path: Path) -> None:
    try:
        jpeg_decoder("torchvision")
    except DataError as error:
        pytest.skip(str(error))
    content = jpeg(photo.convert(mode))
    for side, bound in ((200, 1), (40, 25)):  # it always decodes the whole file
        ours, pillows = (decode_image(Path("a"), form(side, side, n), content) for n in ("torchvision", "pillow"))
        assert np.abs(ours.astype(int) - pillows).max() <= bound
    (tmp_path / "cut.jpg").write_bytes(content[:200])
    with pytest.raises(DataError, match=r"cut\.jpg: damaged image: "):
        decode_image(tmp_path / "cut.jpg", form(8, 8, "torchvision"))


def test_torchvision_says_where_its_decoders_do_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    from clfkit.vision import torchvision

    torchvision()
    monkeypatch.setattr("torchvision.io.image._has_image_ops", lambda: False)
    jpeg_decoder.cache_clear()
    with pytest.raises(DataError, match=r"by torchvision \(data\.decoder\), whose extension for images does not load"):
        jpeg_decoder("torchvision")


def test_formats_of_older_checkpoints_mean_pillow() -> None:
    assert ImageFormat.model_validate({"height": 8, "width": 8, "channels": 3}).decoder == "pillow"


def test_versions_name_every_library_that_makes_pixels() -> None:
    assert [word for word in versions("simplejpeg").split() if word.isalpha()] == ["pillow", "torch", "simplejpeg"]
    assert versions("pillow") == versions("simplejpeg").partition(" simplejpeg")[0]
