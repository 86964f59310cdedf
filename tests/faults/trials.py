"""Runs that are ended before their time and resumed, beside the run of the same experiment that nobody ended."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from programs import AMBUSH, Ended, Program

from clfkit.run import RunDirectory
from sameness import assert_equal

TRAIN = {
    "epochs": 3, "batch_size": 32, "optimizer": {"name": "adam", "lr": 0.05}, "ema": 0.9, "device": "cpu", "threads": 1,
    "schedule": {"name": "cosine", "warmup": 0.5}, "early_stopping": {"patience": 9}, "checkpoint_every": {"steps": 2},
    "snapshots": {"last": 2},
}  # fmt: skip
BLOBS = {
    "name": "tiny", "seed": 7, "data": {"name": "blobs", "samples": 200, "classes": 3, "std": 3.0},
    "model": {"name": "mlp", "hidden": [8], "dropout": 0.3}, "train": TRAIN, "plots": [], "baselines": [],
    "report": False,
}  # fmt: skip
"""5 steps an epoch; a checkpoint after every second step, and one at the end."""
FOLDER = {
    **BLOBS,
    "data": {"name": "image_folder", "root": "photos", "size": 80, "memory": 1, "cache": "off"},
    "train": {**TRAIN, "batch_size": 9, "augment": ["shift"]},
}
"""5 steps an epoch, of images that do not fit into memory and are decoded for every batch."""


def folder(workers: int) -> dict[str, Any]:
    """Image files, read ahead by so many threads."""
    return {**FOLDER, "train": {**FOLDER["train"], "workers": workers}}


EXPERIMENTS: dict[str, dict[str, Any]] = {
    f"{engine}, {name}": {**config, "engine": engine}
    for engine in ("scratch", "torch")
    for name, config in {"memory": BLOBS, "0 workers": folder(0), "2 workers": folder(2)}.items()
    if (engine, name) != ("scratch", "2 workers")  # the NumPy engine reads nothing ahead
}


def draw_photos(root: Path) -> None:
    """60 images of noise in two classes."""
    draws = np.random.default_rng(0)
    for label in ("cats", "dogs"):
        (root / label).mkdir(parents=True)
        for number in range(30):
            pixels = Image.fromarray(draws.integers(0, 256, (80, 80, 3), dtype=np.uint8))
            pixels.save(root / label / f"{number}.png", compress_level=1)


@dataclass(frozen=True)
class Trials:
    """Runs experiments as processes, in one folder."""

    path: Path
    program: Program

    def run(self, name: str, run_id: str) -> RunDirectory:
        """A run of the experiment called `name`."""
        return RunDirectory(self.path / name / "tiny" / run_id)

    def train(
        self,
        name: str,
        run_id: str,
        ambush: Mapping[str, object] | None = None,
        *more: object,
        program: Program | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        """Start a run, or resume it where it was started."""
        run = self.run(name, run_id)
        start = ("--resume", run.path) if run.path.exists() else (self._config(name), "--run-id", run_id, *more)
        place = ("--out", self.path / name, "--plugin", AMBUSH, "--quiet")
        aimed = {"AMBUSH": json.dumps(ambush)} if ambush else {}
        variables = {"NOTES": str(self._notes(name, run_id)), **aimed, **(environment or {})}
        return (program or self.program)("train", *start, *place, cwd=self.path, environment=variables)

    def whole(self, name: str) -> RunDirectory:
        """The run that nobody ended."""
        run = self.run(name, "whole")
        if not run.path.exists():
            done = self.train(name, "whole", environment={"CALLS": str(self.path / f"{name}.calls")})
            assert (done.code, done.err) == (0, "")
        return run

    def calls(self, name: str) -> int:
        """How many functions the whole run called."""
        self.whole(name)
        return int((self.path / f"{name}.calls").read_text())

    def assert_same(self, name: str, run_id: str) -> None:
        """A run equals the whole one: what it leaves, and what every step was trained on."""
        assert_equal(self.run(name, run_id), self.whole(name))
        assert self.steps(name, run_id) == self.steps(name, "whole")
        shutil.rmtree(self.run(name, run_id).path)

    def steps(self, name: str, run_id: str) -> list[dict[str, Any]]:
        """Samples, learning rate and keys of each step; one that was taken again must have been the same."""
        steps: dict[int, dict[str, Any]] = {}
        for line in map(json.loads, self._notes(name, run_id).read_text().splitlines()):
            assert steps.setdefault(line["keys"][0], line) == line
        return [*steps.values()]

    def _notes(self, name: str, run_id: str) -> Path:
        return self.path / f"{name} {run_id}.jsonl"

    def _config(self, name: str) -> Path:
        path = self.path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(EXPERIMENTS[name]))
        return path
