"""No command on a run of the NumPy engine imports torch, whether it was asked for or chosen."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from import_probe import run_probed

BLOBS = """
name: tiny
seed: 7
engine: %s
data: {name: blobs, samples: 200, classes: 3}
model: {name: mlp, hidden: [8], dropout: 0.3, activation: gelu}
train: {epochs: 2, batch_size: 32}
"""
DIGITS = """
name: tiny
engine: scratch
data: digits
model: {name: cnn, channels: [4], dense: [8], batch_norm: true}
train: {epochs: 1, batch_size: 256}
plots: [curves, samples]
"""


def clfkit(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command line in its own process; the last line of stderr says whether torch was imported."""
    done = run_probed(("torch", "torchvision"), *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done


def assert_without_torch(done: subprocess.CompletedProcess[str]) -> None:
    assert done.stderr.splitlines()[-1] == "LOADED []"


@pytest.fixture(scope="module", params=["scratch", "auto"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder with a finished run, and what its training said."""
    folder = tmp_path_factory.mktemp("scratch")
    (folder / "tiny.yaml").write_text(BLOBS % request.param)
    np.savez(folder / "new.npz", x=np.zeros((3, 2), np.float32))
    return folder, clfkit("train", "tiny.yaml", "--out", "out", "--run-id", "one", cwd=folder)


def test_training_and_figures(trained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = trained
    assert_without_torch(done)
    figures = {path.stem for path in (folder / "out/tiny/one/plots").glob("*.png")}
    assert {"boundary", "confusion", "curves"} <= figures


def test_training_on_images(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(DIGITS)
    assert_without_torch(clfkit("train", "tiny.yaml", "--out", "out", "--run-id", "one", cwd=tmp_path))
    assert {path.stem for path in (tmp_path / "out/tiny/one/plots").glob("*.png")} == {"curves", "samples"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("eval", "--checkpoint", "out/tiny/one"), "accuracy"),
        (("plot-boundary", "--checkpoint", "out/tiny/one", "--out", "boundary.png"), "boundary.png"),
        (("predict", "new.npz", "--checkpoint", "out/tiny/one"), "probability"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_commands_on_its_runs(
    trained: tuple[Path, subprocess.CompletedProcess[str]], arguments: tuple[str, ...], says: str
) -> None:
    done = clfkit(*arguments, cwd=trained[0])
    assert_without_torch(done)
    assert says in done.stdout + done.stderr


def test_the_probe_finds_torch(trained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    done = clfkit("eval", "--checkpoint", "out/tiny/one", "--set", "engine=torch", cwd=trained[0])
    assert done.stderr.splitlines()[-1].startswith("LOADED ['torch'")
