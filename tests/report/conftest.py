"""Runs whose reports are looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfkit.config import load_config
from clfkit.experiment import run_experiment
from clfkit.progress import Quiet
from clfkit.run import RunDirectory

TINY = {
    "blobs": """
name: tiny
seed: 7
data: {name: blobs, samples: 200, classes: 3, std: 3.0}
model: {name: mlp, hidden: [8], dropout: 0.3}
train: {epochs: 4, batch_size: 32, optimizer: {name: adam, lr: 0.05}, device: cpu, threads: 1}
plots: []
baselines: []
""",
    "digits": """
name: tiny
seed: 7
data: {name: digits}
model: {name: mlp, hidden: [16]}
train: {epochs: 3, batch_size: 256, optimizer: {name: adam, lr: 0.01}, device: cpu, threads: 1}
plots: []
baselines: []
""",
    "rare": """
name: tiny
seed: 7
data: {name: table, root: FOLDER/rare.csv, label: kind}
model: {name: mlp, hidden: [16]}
train: {epochs: 8, batch_size: 32, optimizer: {name: adam, lr: 0.03}, device: cpu, threads: 1}
plots: []
baselines: []
""",
}


def write_rare(path: Path) -> None:
    """Twelve classes, of 120 samples down to 10."""
    random, lines = np.random.default_rng(0), ["x,y,kind"]
    for kind in range(12):
        places = random.normal(random.uniform(-9, 9, 2), 1.5, (120 // (1 + kind), 2))
        lines += [f"{x:.4f},{y:.4f},kind {kind:02}" for x, y in places]
    path.write_text("\n".join(lines))


@pytest.fixture(scope="session")
def trained_on(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunDirectory]:
    """Makes a finished run of a tiny experiment; the same one is made once."""
    made: dict[str, RunDirectory] = {}

    def run(base: str, **changes: Any) -> RunDirectory:
        key = f"{base} {changes}"
        if key not in made:
            folder = tmp_path_factory.mktemp("reported")
            (folder / "tiny.yaml").write_text(TINY[base].replace("FOLDER", str(folder)))
            if base == "rare":
                write_rare(folder / "rare.csv")
            config = load_config(
                folder / "tiny.yaml", {name.replace("__", "."): value for name, value in changes.items()}
            )
            made[key] = RunDirectory.create(folder, config, "one")
            run_experiment(made[key], config, Quiet())
        return made[key]

    return run


@pytest.fixture
def many_classes(tmp_path: Path) -> RunDirectory:
    """A run of 1,623 classes as its evaluation left it, without a model and without its data."""
    folder = tmp_path / "many" / "one"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(TINY["blobs"])
    run = RunDirectory(folder)
    classes, random = 1623, np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), 3)
    top = np.argsort(random.random((len(labels), 200)), axis=1)[:, :100].astype(np.int32)
    top[:, 0] = np.where(random.random(len(labels)) < 0.85, labels, random.integers(0, classes, len(labels)))
    shares = np.sort(random.random((len(labels), 100)).astype(np.float16) / 50, axis=1)[:, ::-1]
    shares[:, 0] = random.uniform(0.3, 1, len(labels))
    run.save_predictions(
        "test", ids=np.array([f"character{label:04}/{at}.png" for at, label in enumerate(labels)]), labels=labels,
        predicted=top[:, 0], top_classes=top, top_probabilities=shares,
    )  # fmt: skip
    right = np.bincount(labels, top[:, 0] == labels, minlength=classes) / 3
    table = {
        f"Alphabet_{at // 40}.character{at:04}": {**dict.fromkeys(("precision", "recall", "f1"), share), "support": 3}
        for at, share in enumerate(right.tolist())
    }
    accuracy = float((top[:, 0] == labels).mean())
    run.save_evaluation("test", {"samples": len(labels), "metrics": {"accuracy": accuracy}, "classes": table})
    run.set_status("finished")
    return run
