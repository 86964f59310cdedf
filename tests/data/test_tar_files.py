"""Members of tars: the same as tarfile finds, and one line for everything that is hostile or broken."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfkit.data.tar_files import LONGEST_HEADER, read_members
from clfkit.errors import DataError


def write_tar(path: Path, files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def patched(field: slice, value: bytes) -> bytes:
    """A tar of one member with a field of its header replaced and the checksum made right again."""
    member = tarfile.TarInfo("a.jpg")
    block = bytearray(member.tobuf(tarfile.USTAR_FORMAT))
    block[field] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(1024)


SIZE, KIND = slice(124, 136), slice(156, 157)
names = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/"), min_size=1, max_size=120)


@given(
    files=st.dictionaries(names, st.binary(max_size=1200), max_size=5),
    form=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_names_and_bytes_are_those_that_tarfile_reads(
    files: dict[str, bytes], form: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_tar(tmp_path_factory.mktemp("tar") / "some.tar", files, form)
    content = path.read_bytes()
    with tarfile.open(path) as tar:
        expected = [(member.name, (tar.extractfile(member) or io.BytesIO()).read()) for member in tar]
    assert [(name, content[start : start + size]) for name, start, size in read_members(path)] == expected


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_ordinary_headers_are_not_left_to_tarfile(form: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp_path / "some.tar", {"a.jpg": b"a" * 700, "é/b.cls": b"", f"{'c' * 60}/c.jpg": b"c"}, form)
    with tarfile.open(path) as tar:
        expected = [(member.name, member.offset_data, member.size) for member in tar]
    asked = []
    original = tarfile.TarInfo.fromtarfile
    monkeypatch.setattr(tarfile.TarInfo, "fromtarfile", lambda tar: asked.append(tar) or original(tar))
    assert list(read_members(path)) == expected
    assert len(asked) == 1, "the first, when a tar is opened"


def test_a_global_header_goes_for_all_that_follows(tmp_path: Path) -> None:
    path = tmp_path / "some.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers={"path": "all.jpg"}) as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
        tar.addfile(tarfile.TarInfo("b.jpg"))
    with tarfile.open(path) as tar:
        expected = tar.getnames()
    assert [member.name for member in read_members(path)] == expected == ["all.jpg", "all.jpg"]


def test_folders_and_links_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "some.tar", "w") as tar:
        for name, kind in {"dir": tarfile.DIRTYPE, "hard": tarfile.LNKTYPE, "soft": tarfile.SYMTYPE}.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        tar.addfile(tarfile.TarInfo("file.cls"))
    assert [member.name for member in read_members(tmp_path / "some.tar")] == ["file.cls"]


@pytest.mark.parametrize(("pack", "name"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")])
def test_compressed_tars_are_refused_with_what_to_do(pack: Callable[[bytes], bytes], name: str, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "some.tar", {"a.jpg": b"a"})
    path.write_bytes(pack(path.read_bytes()))
    with pytest.raises(DataError, match=rf"some\.tar: compressed with {name}, .*unpack it to a plain \.tar"):
        list(read_members(path))


@pytest.mark.parametrize("length", [100, 512, 700, 1024 + 100, 1024 + 512 + 10])
def test_a_cut_tar_is_refused_wherever_it_is_cut(length: int, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "some.tar", {"a.jpg": b"a" * 300, "b.jpg": b"b" * 300})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"some\.tar: .*cut off"):
        list(read_members(path))


def test_the_blocks_of_zeros_at_the_end_may_be_missing(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "some.tar", {"a.jpg": b"a" * 300})
    path.write_bytes(path.read_bytes()[:1024])
    assert [member.name for member in read_members(path)] == ["a.jpg"]


def test_a_damaged_header_between_members_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "some.tar", {"a.jpg": b"a", "b.jpg": b"b"})
    content = bytearray(path.read_bytes())
    content[1024] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"some\.tar: .*damaged"):
        list(read_members(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "not a tar file", id="empty"),
        pytest.param(b"x" * 2000, "not a tar file", id="text"),
        pytest.param(patched(SIZE, b"77777777777\0"), "claims 8,589,934,591 bytes", id="huge"),
        pytest.param(patched(SIZE, b"\x80\0\0\0\x7f" + b"\xff" * 7), "claims", id="beyond 64 bits"),
        pytest.param(patched(SIZE, b"\xff" * 10 + b"\xf0\x00"), "claims -", id="negative"),
        pytest.param(patched(SIZE, b"%011o\0" % (LONGEST_HEADER + 1))[:156] + b"", "not a tar file", id="cut header"),
        pytest.param(
            patched(slice(124, 157), b"77777777777\0" + bytes(20) + b"L"), "extended header claims", id="long name"
        ),
        pytest.param(patched(slice(124, 157), b"77777777777\0" + bytes(20) + b"x"), "extended header claims", id="pax"),
        pytest.param(patched(KIND, b"x")[:512] * 3000, "damaged", id="headers of headers"),
        pytest.param(patched(slice(0, 3), b"\xff\xfe\xfd"), "not valid UTF-8", id="name"),
    ],
)
def test_hostile_headers_end_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "some.tar"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        list(read_members(path))
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


@given(at=st.integers(0, 4095), value=st.integers(0, 255))
def test_any_changed_byte_gives_members_inside_the_file_or_a_data_error(
    at: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_tar(tmp_path_factory.mktemp("tar") / "some.tar", {"é" * 60 + ".jpg": b"a" * 600, "b.cls": b"1"})
    content = bytearray(path.read_bytes())
    content[at] = value
    path.write_bytes(content)
    try:
        assert all(0 <= start <= start + size <= len(content) for _, start, size in read_members(path))
    except DataError as error:
        assert str(error).startswith(str(path))
