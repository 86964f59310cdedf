"""CIFAR-10's binary records, ten to a file instead of ten thousand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clfkit.components import datasets
from clfkit.data.bundle import DataBundle
from clfkit.data.loading import load_bundle
from clfkit.data.sources import cifar10
from clfkit.errors import DataError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cifar10, "RECORDS", 10)
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    for number, file in enumerate(cifar10.FILES):
        records = np.empty((10, cifar10.RECORD_BYTES), np.uint8)
        records[:, 0] = np.arange(10)
        records[:, 1:] = np.repeat([number, number + 50, number + 100], 1024)  # the three planes
        (folder / file).write_bytes(records.tobytes())
    return tmp_path


def load(root: Path, **options: object) -> DataBundle:
    data = {"name": "cifar10", "root": str(root), "download": False, "split": {"valid": 10}, **options}
    return load_bundle(datasets.parse(data), seed=0)


def test_planes_labels_and_parts(root: Path) -> None:
    bundle = load(root)
    assert bundle.spec.shape == (3, 32, 32)
    assert bundle.spec.classes.names[3] == "cat"
    assert (len(bundle.train), len(bundle.valid), len(bundle.test)) == (40, 10, 10)
    image = np.asarray(bundle.test.inputs)[0]
    assert [np.unique(plane).tolist() for plane in image] == [[5], [55], [105]]
    assert bundle.test.labels.tolist() == list(range(10))


def test_a_file_of_another_size_is_refused(root: Path) -> None:
    file = root / cifar10.FOLDER / "test_batch.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"test_batch\.bin has 30,729 bytes, not 30,730"):
        load(root)


def test_an_impossible_label_is_refused(root: Path) -> None:
    file = root / cifar10.FOLDER / "data_batch_1.bin"
    file.write_bytes(b"\x63" + file.read_bytes()[1:])
    with pytest.raises(DataError, match=r"record 0 .* has the label 99"):
        load(root)


def test_missing_files_are_named_and_the_pickled_release_is_not_read(root: Path) -> None:
    (root / cifar10.FOLDER / "data_batch_3.bin").unlink()
    (root / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataError, match=r"expected data_batch_1\.bin, .*pickled one, which is there, is not read"):
        load(root)


def test_a_failed_download_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr("urllib.request.urlopen", refused)
    (root / cifar10.FOLDER / "test_batch.bin").unlink()
    with pytest.raises(DataError, match=r"download failed: .*connection refused"):
        load(root, download=True)
