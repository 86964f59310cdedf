"""The runs that are compared: which are meant by what was typed, and what is known of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from clfkit.bootstrap import Interval
from clfkit.checkpoint import read_provenance
from clfkit.config import ExperimentConfig
from clfkit.data.bundle import PARTS
from clfkit.errors import UsageError
from clfkit.history import EpochRecord
from clfkit.resuming import stage
from clfkit.run import RunDirectory, all_runs, run_called
from clfkit.timing import Pace, training_seconds

WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class ComparedRun:
    """What is known of one run. name: short, and no other run of the comparison has it."""

    name: str
    directory: RunDirectory

    @cached_property
    def config(self) -> ExperimentConfig:
        """The resolved config. Raises ConfigError."""
        return self.directory.config()

    @cached_property
    def records(self) -> tuple[EpochRecord, ...]:
        """The epochs that are finished; none for what was joined from other runs. Raises RunError."""
        return self.directory.history()

    @cached_property
    def status(self) -> dict[str, Any]:
        """What status.json says."""
        return self.directory.status()

    @cached_property
    def evaluations(self) -> dict[str, dict[str, Any]]:
        """What evaluation/<split>.json holds, of every split that was evaluated."""
        found = {part: self.directory.evaluation(part) or {} for part in PARTS}
        return {part: evaluation for part, evaluation in found.items() if {"metrics", "classes"} <= evaluation.keys()}

    @cached_property
    def provenance(self) -> tuple[str, int] | None:
        """Fingerprint of the data, and number of train samples; None without a checkpoint. Raises CheckpointError."""
        folder = self.directory.checkpoint_path("best") or self.directory.checkpoint_path("last")
        return None if folder is None else read_provenance(folder)

    @property
    def fingerprint(self) -> str | None:
        """That of all data; None where no checkpoint tells it, or it claims none. Raises CheckpointError."""
        return self.provenance[0] or None if self.provenance else None

    def metric(self, split: str, name: str) -> float | None:
        """The value of a metric on a split; None where it is undefined or was not measured."""
        value: float | None = self.evaluations.get(split, {}).get("metrics", {}).get(name)
        return value

    def interval(self, split: str, name: str) -> Interval | None:
        """The 95 % interval of a metric, where there is one."""
        found = self.evaluations.get(split, {}).get("intervals", {}).get(name)
        return None if found is None else (found[0], found[1])

    @property
    def progress(self) -> str:
        """`finished`, or how far it is: `running, epoch 3 of 10`."""
        now, epochs = stage(self.directory), self.status.get("epochs")
        whole = epochs is None or now not in ("running", "interrupted", "crashed", "failed")
        return now if whole else f"{now}, epoch {len(self.records)} of {epochs}"

    @property
    def costs(self) -> dict[str, float | int | str | None]:
        """Time of all sessions, and throughput."""
        timing = self.status.get("timing", {})
        pace = Pace.of(self.records, self.provenance[1] if self.provenance else 0)
        return {
            "status": self.progress,
            "parameters": self.status.get("parameters"),
            "epochs": len(self.records) or None,
            "best epoch": self.status.get("best_epoch"),
            "training, seconds": training_seconds(timing, self.records) or None,
            "an epoch, seconds": pace and pace.epoch,
            "train samples a second": (pace and round(pace.samples)) or None,
            "evaluation, seconds": timing.get("evaluation"),
        }


@dataclass(frozen=True)
class Found:
    """Runs in the order in which they were named, the one to measure the others by, and notes on what was left out."""

    runs: tuple[ComparedRun, ...]
    baseline: ComparedRun | None
    notes: tuple[str, ...]


def find_runs(sources: Sequence[str], root: Path, baseline: str | None = None) -> Found:
    """The runs meant by what was typed, each once.

    A source is a run directory, a folder of runs (such as `outputs/blobs`), a pattern that matches some of these, or
    `latest` or a run id (under root). baseline: the short name of one of them, or a source of one run.
    Raises UsageError for a source that is none, and where fewer than two runs are left; RunError.
    """
    notes = []
    found: dict[Path, RunDirectory] = {}
    for source in sources:
        for run in _meant(source, root):
            place = run.path.resolve()
            if place in found and not WILD.search(source):
                notes.append(f"{run.path} is given twice; it is compared once")
            found.setdefault(place, run)
    runs = _named(list(found.values()))
    chosen = next((run for run in runs if run.name == baseline), None)
    if baseline is not None and chosen is None:
        (own, *others) = _meant(baseline, root)
        if others:
            raise UsageError(f"--baseline {baseline}: must be one run, and these are {1 + len(others)}")
        found = {own.path.resolve(): own} | found
        runs = _named(list(found.values()))
        chosen = next(run for run in runs if run.directory.path.resolve() == own.path.resolve())
    if len(found) < 2:
        only = next(iter(found.values())).path
        raise UsageError(f"a comparison needs two runs or more, and {only} is one; `clfkit runs` lists what there is")
    return Found(tuple(runs), chosen, tuple(notes))


def _meant(source: str, root: Path) -> Iterator[RunDirectory]:
    """Raises UsageError."""
    if (called := run_called(source, root)) is not None:
        yield called
        return
    path = Path(source).expanduser()
    if path.exists() or not WILD.search(source):
        yield from _below(path)
        return
    anchor = Path(path.anchor)
    matches = sorted(anchor.glob(str(path.relative_to(anchor))))
    runs = [run for match in matches if match.is_dir() for run in _runs_of(match)]
    if not runs:
        what = "holds a run among what it matches" if matches else "matches it"
        raise UsageError(f"{source}: nothing {what}; `clfkit runs` lists what there is")
    yield from runs


def _below(path: Path) -> list[RunDirectory]:
    """A run, or the runs of a folder. Raises UsageError when there are none."""
    if not path.is_dir():
        kind = "not a folder" if path.exists() else "no such folder"
        raise UsageError(f"{path}: {kind}; `clfkit runs` lists the runs that there are")
    runs = _runs_of(path)
    if not runs:
        inside = next((parent for parent in path.resolve().parents if (parent / "config.yaml").is_file()), None)
        hint = f"; it lies in the run {inside}" if inside else ", and holds none"
        raise UsageError(f"{path} is not a run directory{hint}")
    return runs


def _runs_of(folder: Path) -> list[RunDirectory]:
    """The folder if it is a run; else the runs in it, or those in its folders, by name."""
    if (folder / "config.yaml").is_file():
        return [RunDirectory(folder)]
    inside = sorted(path.parent for path in folder.glob("*/config.yaml"))
    return [RunDirectory(path) for path in inside] or sorted(all_runs(folder), key=lambda run: run.path)


def _named(runs: Sequence[RunDirectory]) -> list[ComparedRun]:
    """Runs with the shortest names that tell them apart: run ids, experiments, both, or whole paths."""
    places = [run.path.resolve() for run in runs]
    for parts in (slice(-1, None), slice(-2, -1), slice(-2, None)):
        names = ["/".join(place.parts[parts]) for place in places]
        if all(names) and len(set(names)) == len(names):
            break
    else:
        names = [str(run.path) for run in runs]
    return [ComparedRun(name, run) for name, run in zip(names, runs, strict=True)]
