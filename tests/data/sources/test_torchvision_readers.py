"""MNIST and its kin, from tiny files in MNIST's own format."""

from __future__ import annotations

import gzip
import urllib.error
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from clfkit.components import datasets
from clfkit.data.bundle import DataBundle
from clfkit.data.loading import load_bundle
from clfkit.data.sources import _torchvision_readers
from clfkit.errors import DataError

Bytes = npt.NDArray[np.uint8]


def write_idx(path: Path, array: Bytes) -> None:
    """An array in the IDX format: magic number with the number of dimensions, big-endian sizes, bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(header + array.tobytes())


def make(
    root: Path, reader: str, prefixes: tuple[str, str] = ("train", "t10k"), classes: int = 10, first: int = 0
) -> dict[str, Bytes]:
    """Files with 4 (train) and 2 (test) images of each class; returns the images."""
    rng = np.random.default_rng(0)
    images = {}
    for prefix, each in zip(prefixes, (4, 2), strict=True):
        images[prefix] = rng.integers(0, 256, (each * classes, 28, 28), dtype=np.uint8)
        labels = (np.arange(each * classes) % classes + first).astype(np.uint8)
        write_idx(root / reader / "raw" / f"{prefix}-images-idx3-ubyte", images[prefix])
        write_idx(root / reader / "raw" / f"{prefix}-labels-idx1-ubyte", labels)
    return images


def load(name: str, root: Path, **options: object) -> DataBundle:
    return load_bundle(datasets.parse({"name": name, "root": str(root), "download": False, **options}), seed=0)


@pytest.mark.parametrize(
    ("name", "reader", "third"),
    [("mnist", "MNIST", "2"), ("fashion_mnist", "FashionMNIST", "Pullover"), ("kmnist", "KMNIST", "su")],
)
def test_images_labels_and_given_test_part(name: str, reader: str, third: str, tmp_path: Path) -> None:
    images = make(tmp_path, reader)
    bundle = load(name, tmp_path, split={"valid": 0.25})
    assert bundle.spec.shape == (1, 28, 28)
    assert bundle.spec.classes.names[2] == third
    assert (len(bundle.train), len(bundle.valid), len(bundle.test)) == (30, 10, 20)
    assert np.array_equal(np.asarray(bundle.test.inputs)[:, 0], images["t10k"])
    assert bundle.test.labels.tolist() == [*range(10), *range(10)]
    assert bundle.test.ids.tolist() == list(range(40, 60))
    assert np.array_equal(np.asarray(bundle.train.inputs)[:, 0], images["train"][bundle.train.ids])


def test_emnist_letters_are_upright_and_start_at_a(tmp_path: Path) -> None:
    images = make(tmp_path, "EMNIST", ("emnist-letters-train", "emnist-letters-test"), classes=26, first=1)
    bundle = load("emnist", tmp_path, subset="letters", split={"valid": 0.25})
    assert bundle.spec.classes.names == tuple("abcdefghijklmnopqrstuvwxyz")
    assert bundle.test.labels[:2].tolist() == [0, 1]
    upright = images["emnist-letters-test"].swapaxes(1, 2)
    assert np.array_equal(np.asarray(bundle.test.inputs)[:, 0], upright)


def test_emnist_balanced_has_47_characters(tmp_path: Path) -> None:
    make(tmp_path, "EMNIST", ("emnist-balanced-train", "emnist-balanced-test"), classes=47)
    names = load("emnist", tmp_path, split={"valid": 0}).spec.classes.names
    assert len(names) == 47
    assert names[10] == "A"
    assert names[36:38] == ("a", "b")


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    make(tmp_path, "MNIST")
    for file in list((tmp_path / "MNIST" / "raw").iterdir()):
        file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert len(load("mnist", tmp_path, split={"valid": 0}).train) == 40
    assert not [file for file in (tmp_path / "MNIST" / "raw").iterdir() if file.name.startswith(".")]


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"(?s)data\.root: .* has no MNIST: expected train-images-idx3-ubyte, .*raw"
    ) as e:
        load("mnist", tmp_path)
    assert "\n" not in str(e.value)


def test_a_failed_download_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route\nto host")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(DataError, match=r"expected .* the download failed: .*no route to host"):
        load("mnist", tmp_path, download=True)


@pytest.mark.parametrize("damage", [b"", b"\0\0\x08\x03" + b"\0" * 12, b"junk" * 100])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_damaged_files_are_refused(damage: bytes, file: str, tmp_path: Path) -> None:
    make(tmp_path, "MNIST")
    (tmp_path / "MNIST" / "raw" / file).write_bytes(damage)
    with pytest.raises(DataError, match=r"data\.root: .*(damaged|do not match)"):
        load("mnist", tmp_path)


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "MNIST")
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(DataError, match=r"training files .* are damaged"):
        load("mnist", tmp_path)


def test_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "MNIST", classes=12)
    with pytest.raises(DataError, match="labels outside the 10 classes"):
        load("mnist", tmp_path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "MNIST")
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.with_name(file.name + ".gz").write_bytes(b"no archive")
    file.unlink()
    with pytest.raises(DataError, match="cannot be unpacked"):
        load("mnist", tmp_path)
    assert not file.exists()


def test_the_timeout_of_downloads_is_put_back() -> None:
    import socket

    with _torchvision_readers._patience():
        assert socket.getdefaulttimeout() == _torchvision_readers.PATIENCE
    assert socket.getdefaulttimeout() is None
