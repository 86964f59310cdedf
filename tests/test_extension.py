"""A component is one new file: dropped into its folder, or named with --plugin, it takes part in everything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import clfkit
import clfkit.errors

FILES = {
    "data/sources/stripes.py": '''
"""Stripes of two classes."""
import numpy as np
from pydantic import PositiveInt
from clfkit import rng
from clfkit.components import datasets
from clfkit.data.bundle import ClassMap, Dataset


@datasets.register("stripes", inputs="vector", classes=2)
def stripes(seed: int, *, samples: PositiveInt = 100) -> Dataset:
    """Points in the plane; the class alternates along x.

    Options:
        samples: number of points.
    """
    inputs = rng.generator(seed, "stripes").uniform(-1, 1, (samples, 2)).astype(np.float32)
    labels = (np.floor(2 * inputs[:, 0]) % 2).astype(np.int64)
    return Dataset(
        kind="vector", inputs=inputs, labels=labels, classes=ClassMap(names=("even", "odd")), feature_names=("x", "y")
    )
''',
    "models/quadratic.py": '''
"""A model of squares."""
from clfkit.components import models


@models.register("quadratic", inputs="vector")
def quadratic(spec, outputs, *, wide: bool = False):
    """A linear layer on the features and their squares."""
    import torch

    class Quadratic(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(2 * spec.features, outputs)

        def forward(self, x):
            return self.linear(torch.cat([x, x * x], dim=1))

    return Quadratic()
''',
    "optimizers/signed.py": '''
"""Sign descent."""
from pydantic import PositiveFloat
from clfkit.components import optimizers


@optimizers.register("signed")
def signed(groups, *, lr: PositiveFloat = 0.25):
    """w <- w - lr sign(g)."""
    import torch

    class Signed(torch.optim.Optimizer):
        def step(self):
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data -= group["lr"] * parameter.grad.sign()

    return Signed(groups, {"lr": lr})
''',
    "schedules/halving.py": '''
"""A rate that halves."""
from clfkit.components import schedules


@schedules.register("halving")
def halving():
    """Half the rate after every epoch."""
    return lambda progress: 0.5**progress.epoch
''',
    "augmentations/jittered.py": '''
"""Points moved by chance."""
from clfkit.components import augmentations


@augmentations.register("jittered", inputs="vector")
def jittered(spec, *, width: float = 0.01):
    """Every feature moved by up to half of width."""
    import torch

    return lambda batch, draws: batch + width * (torch.from_numpy(draws.uniform(spec.features)) - 0.5).to(batch)
''',
    "metrics/mistakes.py": '''
"""Counted mistakes."""
from clfkit.components import metrics


@metrics.register("mistakes", lower_is_better=True)
def mistakes(predictions):
    """Number of samples given a wrong class."""
    return float((predictions.predicted != predictions.labels).sum())
''',
    "plots/losses_drawn.py": '''
"""Losses as a line."""
from clfkit.components import plots


@plots.register("losses_drawn")
def losses_drawn(classifier):
    """Train loss of every epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2))
    figure.subplots().plot([record.train_loss for record in classifier.records])
    return figure
''',
    "plots/comparisons/last_losses.py": '''
"""Last losses as bars."""
from clfkit.components import comparisons


@comparisons.register("last_losses")
def last_losses(classifiers):
    """Train loss at the end of each run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2))
    figure.subplots().bar(range(len(classifiers)), [each.records[-1].train_loss for each in classifiers])
    return figure
''',
    "plots/previews/sizes.py": '''
"""Sizes of the splits as bars."""
from clfkit.components import previews


@previews.register("sizes")
def sizes(config, bundle):
    """Samples of each split."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2))
    figure.subplots().bar(["train", "valid", "test"], [len(bundle.train), len(bundle.valid), len(bundle.test)])
    return figure
''',
    "trackers/ledger.py": '''
"""A text file that lists what happens."""
from clfkit.components import trackers


@trackers.register("ledger")
def ledger(run, *, file: str = "ledger.txt"):
    """A line for everything that is told."""
    return Ledger(run, run.path / file)


class Ledger:
    def __init__(self, run, path):
        self.run, self.path = run, path

    def start(self, records):
        self.write("start")

    def epochs(self, records):
        for record in records:
            self.write(f"epoch {record.epoch}")

    def finish(self):
        self.write(self.run.status()["status"])

    def write(self, line):
        with self.path.open("a") as file:
            print(line, file=file)
''',
    "mixings/swapped.py": '''
"""Partners in the place of samples."""
from clfkit.components import mixings


@mixings.register("swapped")
def swapped(spec):
    """Every sample becomes its partner."""
    return lambda batch, partners, draws: (partners, draws.uniform(1)[:, 0] * 0)
''',
}
NAMES = {
    "stripes",
    "quadratic",
    "signed",
    "halving",
    "jittered",
    "mistakes",
    "losses_drawn",
    "last_losses",
    "sizes",
    "swapped",
    "ledger",
}

EXPERIMENT = """
name: extended
data: {name: stripes, samples: 120}
model: {name: MODEL}
train: {epochs: 3, batch_size: 20, optimizer: signed, schedule: halving, augment: [jittered], mix: swapped, device: cpu}
plots: [losses_drawn]
track: [{name: ledger, file: told.txt}]
"""


def run(*arguments: object, package: Path, cwd: Path) -> str:
    """What the command line of a copy of clfkit prints; it must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    command = [sys.executable, "-m", "clfkit", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with eleven files more and no other change."""
    package = tmp_path_factory.mktemp("copy") / "clfkit"
    shutil.copytree(Path(clfkit.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        assert not (package / name).exists()
        (package / name).write_text(text.lstrip())
    return package


def test_new_files_take_part_in_everything(extended: Path, tmp_path: Path) -> None:
    (tmp_path / "extended.yaml").write_text(
        EXPERIMENT.replace("MODEL", "quadratic").replace("device", "best: valid.mistakes, device")
    )
    printed = run("train", "extended.yaml", "--out", "out", "--run-id", "a", "--json", package=extended, cwd=tmp_path)
    folder = tmp_path / "out" / "extended" / "a"
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    counted = [line["valid.mistakes"] for line in history]
    assert json.loads((folder / "status.json").read_text())["best_epoch"] == 1 + counted.index(min(counted))
    rates = [line["lr"] for line in history]
    assert rates == [0.25, 0.125, 0.0625]
    told = (folder / "told.txt").read_text().splitlines()
    assert told == ["start", "epoch 1", "epoch 2", "epoch 3", "finished"]
    evaluation = json.loads((folder / "evaluation" / "test.json").read_text())
    assert json.loads(printed)["metrics"] == evaluation["metrics"]
    wrong = round((1 - evaluation["metrics"]["accuracy"]) * evaluation["samples"])
    assert evaluation["metrics"]["mistakes"] == wrong
    assert set(evaluation["classes"]) == {"even", "odd"}
    assert (folder / "plots" / "losses_drawn.png").stat().st_size > 1000
    run("plot", "last_losses", folder, package=extended, cwd=tmp_path)
    assert (tmp_path / "last_losses.png").stat().st_size > 1000
    run("plot", "sizes", "extended.yaml", package=extended, cwd=tmp_path)
    assert (tmp_path / "sizes.png").stat().st_size > 1000


def test_new_files_are_listed_with_their_options(extended: Path, tmp_path: Path) -> None:
    words = set(run("list", package=extended, cwd=tmp_path).split())
    assert words >= NAMES
    assert "number of points" in run("show", "dataset", "stripes", package=extended, cwd=tmp_path)


def test_plugin_file_adds_a_model_to_an_untouched_package(tmp_path: Path) -> None:
    """The plugin is needed again to load the checkpoint, and found under the same name."""
    from clfkit.plugins import load_plugin

    package = Path(clfkit.__file__).parent
    plugin = tmp_path / "my_net.py"
    plugin.write_text(FILES["models/quadratic.py"].lstrip().replace("quadratic", "quadratic_of_mine"))
    text = EXPERIMENT.replace("MODEL", "quadratic_of_mine, wide: true").replace("stripes", "moons")
    text = text.replace(", optimizer: signed, schedule: halving, augment: [jittered], mix: swapped", "").replace(
        "losses_drawn", "curves"
    )
    text = text.replace("track: [{name: ledger, file: told.txt}]\n", "")
    (tmp_path / "mine.yaml").write_text(text)
    run("train", "mine.yaml", "--out", "out", "--run-id", "a", "--plugin", "my_net.py", package=package, cwd=tmp_path)
    with pytest.raises(clfkit.errors.CheckpointError, match=r"quadratic_of_mine.*--plugin"):
        clfkit.load(tmp_path / "out" / "extended" / "a")
    load_plugin(plugin)
    classifier = clfkit.load(tmp_path / "out" / "extended" / "a")
    assert classifier.config.model.options.wide is True  # type: ignore[attr-defined]
    assert classifier.predict_proba(np.zeros((3, 2))).shape == (3, 2)
