"""MNIST and its kin, from tiny files in MNIST's own format."""

from __future__ import annotations

import gzip
import shutil
import urllib.error
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from clfkit.components import datasets
from clfkit.data.bundle import PARTS, DataBundle, IndexArray, Split
from clfkit.data.loading import load_bundle
from clfkit.data.sources.emnist import CHARACTERS
from clfkit.errors import DataError
from clfkit.vision import torchvision

Bytes = npt.NDArray[np.uint8]
Maker = Callable[..., dict[str, Bytes]]


SETS = [
    ("mnist", "MNIST", None),
    ("fashion_mnist", "FashionMNIST", None),
    ("kmnist", "KMNIST", None),
    *(("emnist", "EMNIST", subset) for subset in CHARACTERS),
]


def make(make_mnist: Maker, root: Path, family: str, subset: str | None) -> dict[str, Bytes]:
    """Files of a set, or of a subset of EMNIST with all its classes; returns the images."""
    if subset is None:
        return make_mnist(root, family)
    prefixes = (f"emnist-{subset}-train", f"emnist-{subset}-test")
    return make_mnist(root, family, prefixes, classes=len(CHARACTERS[subset]), first=int(subset == "letters"))


def by_torchvision(family: str, root: Path, subset: str | None) -> tuple[Bytes, IndexArray]:
    """Images (N, 1, 28, 28) and labels (N,) as torchvision's own class reads them; EMNIST's images upright."""
    options = {} if subset is None else {"split": subset}
    parts = [getattr(torchvision().datasets, family)(root, train=train, **options) for train in (True, False)]
    images = np.concatenate([part.data.numpy() for part in parts])[:, None]
    labels = np.concatenate([part.targets.numpy() for part in parts])
    upright = images if subset is None else images.transpose(0, 1, 3, 2)
    return upright, labels - (subset == "letters")


def load(name: str, root: Path, **options: object) -> DataBundle:
    return load_bundle(datasets.parse({"name": name, "root": str(root), "download": False, **options}), seed=0)


@pytest.mark.parametrize(
    ("name", "family", "third"),
    [("mnist", "MNIST", "2"), ("fashion_mnist", "FashionMNIST", "Pullover"), ("kmnist", "KMNIST", "su")],
)
def test_images_labels_and_given_test_part(
    make_mnist: Maker, name: str, family: str, third: str, tmp_path: Path
) -> None:
    images = make_mnist(tmp_path, family)
    bundle = load(name, tmp_path, split={"valid": 0.25})
    assert bundle.spec.shape == (1, 28, 28)
    assert bundle.spec.classes.names[2] == third
    assert (len(bundle.train), len(bundle.valid), len(bundle.test)) == (30, 10, 20)
    assert np.array_equal(np.asarray(bundle.test.inputs)[:, 0], images["t10k"])
    assert bundle.test.labels.tolist() == [*range(10), *range(10)]
    assert bundle.test.ids.tolist() == list(range(40, 60))
    assert np.array_equal(np.asarray(bundle.train.inputs)[:, 0], images["train"][bundle.train.ids])


@pytest.mark.parametrize(("name", "family", "subset"), SETS)
def test_torchvision_reads_the_same(
    make_mnist: Maker, name: str, family: str, subset: str | None, tmp_path: Path
) -> None:
    make(make_mnist, tmp_path, family, subset)
    bundle = load(name, tmp_path, split={"valid": 0.25}, **({} if subset is None else {"subset": subset}))
    images, labels = by_torchvision(family, tmp_path, subset)
    splits = {part: getattr(bundle, part) for part in PARTS}
    assert sorted(np.concatenate([split.ids for split in splits.values()])) == list(range(len(labels)))
    for split in splits.values():
        inputs = np.asarray(split.inputs)
        assert (inputs.dtype, split.labels.dtype) == (images.dtype, labels.dtype) == (np.uint8, np.int64)
        assert inputs.shape == images[split.ids].shape
        assert inputs.tobytes() == images[split.ids].tobytes()
        assert split.labels.tobytes() == labels[split.ids].tobytes()
    theirs = {part: Split(images[split.ids], labels[split.ids], split.ids) for part, split in splits.items()}
    assert bundle.fingerprint == DataBundle(bundle.spec, **theirs).fingerprint


def test_emnist_letters_are_upright_and_start_at_a(make_mnist: Maker, tmp_path: Path) -> None:
    images = make_mnist(tmp_path, "EMNIST", ("emnist-letters-train", "emnist-letters-test"), classes=26, first=1)
    bundle = load("emnist", tmp_path, subset="letters", split={"valid": 0.25})
    assert bundle.spec.classes.names == tuple("abcdefghijklmnopqrstuvwxyz")
    assert bundle.test.labels[:2].tolist() == [0, 1]
    upright = images["emnist-letters-test"].swapaxes(1, 2)
    assert np.array_equal(np.asarray(bundle.test.inputs)[:, 0], upright)


def test_emnist_balanced_has_47_characters(make_mnist: Maker, tmp_path: Path) -> None:
    make_mnist(tmp_path, "EMNIST", ("emnist-balanced-train", "emnist-balanced-test"), classes=47)
    names = load("emnist", tmp_path, split={"valid": 0}).spec.classes.names
    assert len(names) == 47
    assert names[10] == "A"
    assert names[36:38] == ("a", "b")


def test_packed_files_are_unpacked(make_mnist: Maker, tmp_path: Path) -> None:
    make_mnist(tmp_path, "MNIST")
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


@pytest.fixture
def mirror(tmp_path: Path, make_mnist: Maker, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files torchvision downloads, instead of those of the network."""
    served = tmp_path / "mirror"

    def download(url: str, download_root: str, filename: str | None = None, md5: str | None = None) -> None:
        raw = Path(download_root)
        if filename is not None:  # MNIST's files come one by one
            [file] = served.glob(f"*/raw/{filename.removesuffix('.gz')}")
            shutil.copy(file, raw)
            return
        (raw / "gzip").mkdir()  # EMNIST's in a folder of archives
        for file in served.glob("*/raw/*"):
            (raw / "gzip" / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))

    monkeypatch.setattr(torchvision().datasets.mnist, "download_and_extract_archive", download)
    return served


@pytest.mark.parametrize("kept", ["", "train", "test"])
@pytest.mark.parametrize(("name", "family", "subset"), [SETS[0], SETS[3]])
def test_missing_files_are_downloaded(
    make_mnist: Maker, mirror: Path, name: str, family: str, subset: str | None, kept: str, tmp_path: Path
) -> None:
    """Whatever part is there already, and though what is there is damaged."""
    images = make(make_mnist, mirror, family, subset)
    folder = tmp_path / family / "raw"
    folder.mkdir(parents=True)
    for prefix in images:
        if kept and kept in prefix:
            (folder / f"{prefix}-images-idx3-ubyte").write_bytes(b"junk")
            (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(b"junk")
    bundle = load(name, tmp_path, download=True, split={"valid": 0})
    train, test = images.values()
    assert np.array_equal(bundle.test.inputs[:, 0], test if subset is None else test.swapaxes(1, 2))
    assert len(bundle.train) == len(train)


def test_a_download_of_other_files_is_told(make_mnist: Maker, mirror: Path, tmp_path: Path) -> None:
    make(make_mnist, mirror, "EMNIST", "letters")
    make(make_mnist, tmp_path, "EMNIST", "letters")
    for file in mirror.glob("*/raw/*test*"):
        file.unlink()
    for file in tmp_path.glob("EMNIST/raw/*train-labels*"):
        file.unlink()
    for file in tmp_path.glob("EMNIST/raw/*test*"):
        file.unlink()
    with pytest.raises(DataError, match=r"the download of EMNIST did not bring emnist-letters-train.* to .*raw"):
        load("emnist", tmp_path, download=True, subset="letters")


def test_what_an_old_torchvision_saved_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.load", lambda *_, **__: pytest.fail("a pickle was loaded"))
    (tmp_path / "MNIST" / "processed").mkdir(parents=True)
    for file in ("training.pt", "test.pt"):
        (tmp_path / "MNIST" / "processed" / file).write_bytes(b"a pickle")
    with pytest.raises(DataError, match=r"download failed: processed/\*\.pt of an older torchvision is in the way"):
        load("mnist", tmp_path, download=True)


@pytest.mark.parametrize("damage", [b"", b"\0\0\x08\x03" + b"\0" * 12, b"junk" * 100])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_damaged_files_are_refused(make_mnist: Maker, damage: bytes, file: str, tmp_path: Path) -> None:
    make_mnist(tmp_path, "MNIST")
    (tmp_path / "MNIST" / "raw" / file).write_bytes(damage)
    with pytest.raises(DataError, match=rf"{file}: (damaged|empty|its number of dimensions is)") as caught:
        load("mnist", tmp_path)
    assert "\n" not in str(caught.value)


def test_truncated_files_are_refused(make_mnist: Maker, tmp_path: Path) -> None:
    make_mnist(tmp_path, "MNIST")
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: damaged: 31,360 bytes .* 30,360 are there"):
        load("mnist", tmp_path)


@pytest.mark.parametrize("shape", [(39, 28, 28), (40, 14, 56)])
def test_images_that_do_not_fit_are_refused(
    make_mnist: Maker, idx_bytes: Callable[[Bytes], bytes], shape: tuple[int, ...], tmp_path: Path
) -> None:
    make_mnist(tmp_path, "MNIST")
    (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros(shape, np.uint8)))
    with pytest.raises(DataError, match=r"data\.root: train-images.* do not match: they hold .* and \(40,\)"):
        load("mnist", tmp_path)


def test_labels_out_of_range_are_refused(make_mnist: Maker, tmp_path: Path) -> None:
    make_mnist(tmp_path, "MNIST", classes=12)
    with pytest.raises(DataError, match="labels outside the 10 classes"):
        load("mnist", tmp_path)


def test_a_damaged_archive_is_refused(make_mnist: Maker, tmp_path: Path) -> None:
    make_mnist(tmp_path, "MNIST")
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.with_name(file.name + ".gz").write_bytes(b"no archive")
    file.unlink()
    with pytest.raises(DataError, match="cannot be unpacked"):
        load("mnist", tmp_path)
    assert not file.exists()
