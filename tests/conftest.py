"""Tiny experiments that every test can vary and run."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before anything imports torch; subprocesses inherit it

import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chromium import CHROMIUM, DRIVER, Chromium
from clfkit.__main__ import main
from clfkit.config import ExperimentConfig, load_config
from clfkit.experiment import Listener, run_experiment
from clfkit.progress import Quiet
from clfkit.run import RunDirectory

TINY = {
    "blobs": """
name: tiny
seed: 7
engine: torch
data: {name: blobs, samples: 200, classes: 3, std: 3.0}
model: {name: mlp, hidden: [8], dropout: 0.3}
train: {epochs: 4, batch_size: 32, optimizer: {name: adam, lr: 0.05}, device: cpu, threads: 1}
plots: []
""",
    "moons": """
name: tiny
seed: 7
engine: torch
data: {name: moons, samples: 200, noise: 0.3}
model: {name: mlp, hidden: [8], dropout: 0.3}
train: {epochs: 4, batch_size: 32, loss: bce_with_logits, device: cpu, threads: 1}
plots: []
""",
    "digits": """
name: tiny
seed: 7
data: {name: digits}
model: {name: cnn, channels: [4, 8], dense: [16], dropout: 0.3, batch_norm: true}
train: {epochs: 3, batch_size: 256, optimizer: {name: adam, lr: 0.01}, device: cpu, threads: 1}
plots: []
""",
}
"""140 train samples (5 steps an epoch) of blobs and moons; 1257 (5 steps) of digits."""


@dataclass(frozen=True)
class Laboratory:
    """Makes tiny experiments in a folder and runs them."""

    folder: Path

    @property
    def out(self) -> Path:
        """Where runs are kept."""
        return self.folder / "outputs"

    def file(self, base: str = "blobs") -> Path:
        """The YAML file of a tiny experiment."""
        path = self.folder / f"{base}.yaml"
        path.write_text(TINY[base])
        return path

    def config(self, base: str = "blobs", changes: Mapping[str, Any] | None = None) -> ExperimentConfig:
        """A tiny experiment with options changed by dotted path."""
        return load_config(self.file(base), changes or {})

    def run(
        self, config: ExperimentConfig | None = None, listener: Listener | None = None, run_id: str | None = None
    ) -> RunDirectory:
        """Run it to its end."""
        config = config or self.config()
        run = RunDirectory.create(self.out, config, run_id)
        run_experiment(run, config, listener or Quiet())
        return run


@pytest.fixture(scope="session")
def laboratories() -> type[Laboratory]:
    """Makes a laboratory in a folder."""
    return Laboratory


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    """A laboratory in a fresh folder."""
    return Laboratory(tmp_path)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs `clfkit ARGUMENTS` as its entry point does."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["clfkit", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A finished run of the tiny blobs experiment, to be read only."""
    return Laboratory(tmp_path_factory.mktemp("finished")).run(run_id="shared")


COMPARED = """
name: rivals
seed: 1
engine: scratch
data: {name: blobs, samples: 400, classes: 3, std: 2.0, seed: 5, split: {valid: 0.25, test: 0.5}}
model: {name: mlp, hidden: [8]}
train: {epochs: 5, batch_size: 32, optimizer: {name: adam, lr: 0.05}}
plots: []
"""


@pytest.fixture(scope="session")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of finished runs, to be read only: `one` and `two`, which differ in their seed, `poor`, which has hardly
    learned, and `elsewhere`, which was trained on other points."""
    folder = tmp_path_factory.mktemp("rivals")
    variants: dict[str, dict[str, Any]] = {
        "one": {}, "two": {"seed": 2}, "elsewhere": {"data.seed": 6},
        "poor": {"train.epochs": 1, "train.optimizer.lr": 1e-5},
    }  # fmt: skip
    (folder / "rivals.yaml").write_text(COMPARED)
    for run_id, changes in variants.items():
        config = load_config(folder / "rivals.yaml", changes)
        run_experiment(RunDirectory.create(folder / "outputs", config, run_id), config, Quiet())
    return folder / "outputs/rivals"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a browser is slow."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A real browser, where there is one."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver (chromium-driver)")
    pytest.importorskip("selenium")
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.driver.quit()


@pytest.fixture(scope="session")
def tiny_text() -> str:
    """The YAML of the tiny blobs experiment."""
    return TINY["blobs"]


@pytest.fixture(scope="session", autouse=True)
def hasty_disk() -> Iterator[None]:
    """Nobody pulls the plug during tests, so that waiting for the disk would only make them slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests cache stays theirs; a folder that is made when something is cached."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / f"cache-{uuid.uuid4().hex}"))
