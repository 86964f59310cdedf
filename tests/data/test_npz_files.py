"""NumPy archives: names, and what is never loaded."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from clfkit.data import npz_files
from clfkit.data.npz_files import class_names, numbers, read_inputs, read_pair
from clfkit.errors import DataError

X, Y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 0])


def save(tmp_path: Path, **arrays: object) -> Path:
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    return tmp_path / "a.npz"


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("X", "Y"), ("inputs", "labels"), ("features", "label")])
def test_names(x: str, y: str, tmp_path: Path) -> None:
    inputs, labels = read_pair(save(tmp_path, **{x: X, y: Y}))
    assert np.array_equal(inputs, X)
    assert np.array_equal(labels, Y)


def test_the_label_array_may_be_named(tmp_path: Path) -> None:
    _, labels = read_pair(save(tmp_path, x=X, y=Y, kind=Y + 1), "kind")
    assert labels.tolist() == [1, 2, 1]


def test_compressed_fortran_and_only_arrays(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", whatever=np.asfortranarray(X))
    assert np.array_equal(read_inputs(tmp_path / "a.npz"), X)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, r"no array y \(labels\); there are 'x'"),
        ({"y": Y}, r"no array x \(samples\)"),
        ({"x": X, "y": Y[:2]}, r"shape \(3, 2\) and y of shape \(2,\)"),
        ({"x": X[:0], "y": Y[:0]}, r"array 'x\.npy' of shape \(0, 2\) and type float64 is empty"),
        ({"x": X, "y": np.array([{}, {}, {}])}, "Python objects"),
    ],
)
def test_unfit_archives(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_pair(save(tmp_path, **arrays))


def test_several_unnamed_arrays_are_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no array is called x .*'a', 'b'"):
        read_inputs(save(tmp_path, a=X, b=X))


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    file.write_bytes(b"\x80\x04N.")
    with pytest.raises(DataError, match=r"not a sound \.npz file"):
        read_inputs(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", b"\x80\x04N.")
    with pytest.raises(DataError, match=r"not a sound \.npz file"):
        read_inputs(file)


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1000, 1000)))
    monkeypatch.setattr(npz_files, "MAX_BYTES", 1_000_000)
    with pytest.raises(DataError, match="GiB of arrays"):
        read_inputs(tmp_path / "a.npz")


def test_a_header_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 8)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"\0" * 64)
    with pytest.raises(DataError, match="but holds 64 bytes"):
        read_inputs(tmp_path / "a.npz")


def test_flipped_bits_are_found(tmp_path: Path) -> None:
    file = save(tmp_path, x=np.random.default_rng(0).normal(size=(100, 5)))
    content = bytearray(file.read_bytes())
    content[2000] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"not a sound \.npz file"):
        read_inputs(file)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_inputs(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.array([2, 0]), ["2", "0"]),
        (np.array([1.0, -1.0]), ["1", "-1"]),
        (np.array(["b", "a"]), ["b", "a"]),
        (np.array([b"b", b"a"]), ["b", "a"]),
        (np.array([True, False]), ["True", "False"]),
    ],
)
def test_class_names(labels: np.ndarray, names: list[str]) -> None:
    assert class_names(labels, Path("a.npz")) == names


@pytest.mark.parametrize("labels", [np.array([0.5]), np.array([1j]), np.array([np.nan]), np.array([np.inf])])
def test_other_labels_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(DataError, match="must be text or whole numbers"):
        class_names(labels, Path("a.npz"))


def test_bytes_beyond_ascii_are_refused() -> None:
    with pytest.raises(DataError, match="must be ASCII"):
        class_names(np.array([b"\xff"]), Path("a.npz"))


def test_numbers_name_the_bad_sample() -> None:
    values = np.array([[0.0, 1.0], [np.nan, 0.0]])
    assert np.isnan(numbers(values, Path("a"), gaps=True)[1, 0])
    with pytest.raises(DataError, match="sample 1 "):
        numbers(values, Path("a"), gaps=False)
    with pytest.raises(DataError, match="must hold numbers"):
        numbers(np.array([["a"]]), Path("a"), gaps=True)


@pytest.mark.parametrize(
    ("descr", "shape"),
    [("<U0", (10**12,)), ("<f8", (10**12, 0)), ("<f8", (0, 10**30)), ("|V0", (5,)), ("<f8", (-1, -8))],
)
def test_samples_of_no_bytes_are_refused_before_they_are_made(
    descr: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(DataError, match="is empty"):
        read_inputs(tmp_path / "a.npz")


def test_numbers_beyond_float32_are_refused() -> None:
    with pytest.raises(DataError, match="sample 1 has a value that is too large"):
        numbers(np.array([[0.0], [1e39]]), Path("a"), gaps=True)
