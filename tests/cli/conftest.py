"""Runs of the command line that tests may read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"


BLOBS = """\
name: tiny
seed: 3
data: {name: blobs, samples: 200, classes: 3, seed: 5}
model: {name: mlp, hidden: [8]}
train: {epochs: 3, batch_size: 32, optimizer: {name: adam, lr: 0.05}}
plots: [curves]
"""


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    """A config that trains in a moment."""
    path = tmp_path / "tiny.yaml"
    path.write_text(BLOBS)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run of blobs; read it, do not write to it."""
    from clfkit import train

    folder = tmp_path_factory.mktemp("trained")
    config = folder / "tiny.yaml"
    config.write_text(BLOBS)
    yield train(config, out=folder / "outputs", run_id="one").path


@pytest.fixture(scope="session")
def trained_digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run of a CNN on digits."""
    from clfkit import train

    folder = tmp_path_factory.mktemp("digits")
    config = CONFIGS / "smoke/digits.yaml"
    yield train(config, {"train.epochs": 1, "plots": []}, out=folder, run_id="one").path
