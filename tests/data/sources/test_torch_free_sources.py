"""Reading data needs no torch, but for resizing, so that an engine without it begins at once on every dataset."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROGRAM = """
import json, sys
import numpy as np
from clfkit.components import datasets
from clfkit.data.loading import load_bundle
from clfkit.data.sources import cifar10
cifar10.RECORDS = 10
options = json.loads(sys.argv[1])
assert set(options) <= set(datasets.names())
for name in datasets.names():
    bundle = load_bundle(datasets.parse({"name": name, **options.get(name, {})}), seed=0)
    bundle.fingerprint, bundle.train.inputs[np.argsort(bundle.train.ids)[:1]]
    print(name, sorted({"torch", "torchvision"} & set(sys.modules)))
"""


@pytest.fixture
def root(tmp_path: Path, make_mnist: Callable[..., object]) -> Path:
    """A folder with tiny files of every dataset that is read from files."""
    for family in ("MNIST", "FashionMNIST", "KMNIST"):
        make_mnist(tmp_path, family)
    make_mnist(tmp_path, "EMNIST", ("emnist-digits-train", "emnist-digits-test"))
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for file in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        records = np.zeros((10, 3073), np.uint8)
        records[:, 0] = np.arange(10)
        (tmp_path / "cifar-10-batches-bin" / f"{file}.bin").write_bytes(records.tobytes())
    (tmp_path / "table.csv").write_text("a,b,label\n" + "1,x,yes\n2,y,no\n" * 10)
    for colour in ("red", "green"):
        (tmp_path / "photos" / colour).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (6, 4), colour).save(tmp_path / "photos" / colour / f"{number}.png")
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        tar.add(tmp_path / "photos", "photos")
    return tmp_path


def test_no_dataset_imports_torch_when_its_files_are_there(root: Path) -> None:
    files = {"root": str(root), "download": False}
    options = {
        **dict.fromkeys(("mnist", "fashion_mnist", "kmnist", "cifar10"), files),
        "emnist": {**files, "subset": "digits"},
        "table": {"root": str(root / "table.csv")},
        "image_folder": {"root": str(root / "photos"), "size": 4},
        "webdataset": {"root": str(root), "size": 4},
    }
    command = [sys.executable, "-c", PROGRAM, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} >= {*options, "blobs", "moons", "digits", "iris"}
    assert [line for line in lines if not line.endswith(" []")] == []
