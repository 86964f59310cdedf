"""What a report is made of: all that a run directory holds, and the model and data where they can be had."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from clfkit.classifier import Classifier, load
from clfkit.config import ExperimentConfig
from clfkit.data.bundle import PARTS, DataBundle, Part, Split
from clfkit.errors import ClfkitError, RunError
from clfkit.history import EpochRecord
from clfkit.report.judged import Judged
from clfkit.run import RunDirectory


@dataclass(frozen=True)
class Material:
    """A run as it is now. classifier: its best model so far; without one `no_model` says why."""

    run: RunDirectory
    config: ExperimentConfig
    status: dict[str, Any]
    environment: dict[str, Any]
    records: tuple[EpochRecord, ...]
    evaluations: dict[Part, dict[str, Any]]
    classifier: Classifier | None
    no_model: str = ""

    @classmethod
    def of(cls, run: RunDirectory, classifier: Classifier | None = None) -> Material:
        """Read a run. classifier: its best model, where that is at hand already. Raises RunError, ConfigError."""
        no_model = ""
        if classifier is None:
            try:
                classifier = load(run.path)
            except ClfkitError as error:
                no_model = str(error)
        evaluations = {part: found for part in PARTS if (found := run.evaluation(part))}
        status = run.status()
        if status["status"] == "running" and status.get("trained") and evaluations:
            status["status"] = "finished"  # but for figures and this page
        return cls(run, run.config(), status, run.environment() or {}, run.history(), evaluations, classifier, no_model)

    @property
    def split(self) -> Part | None:
        """The split that the report is about: test, or the next best that was scored."""
        return [*self.evaluations][-1] if self.evaluations else None

    @property
    def evaluation(self) -> dict[str, Any]:
        """The evaluation of that split; empty without."""
        return self.evaluations[self.split] if self.split else {}

    @property
    def best_epoch(self) -> int | None:
        """The epoch that the best model so far is of; None without, and for what was joined from other runs."""
        return (
            self.status.get("best_epoch") or (self.classifier and self.classifier.checkpoint.state.best_epoch) or None
        )

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their indices; none where nothing tells them."""
        return self.classifier.classes if self.classifier else tuple(self.evaluation.get("classes", ()))

    @cached_property
    def train_counts(self) -> tuple[int, ...]:
        """Train samples of each class; none where there is no model."""
        return self.classifier.checkpoint.class_counts if self.classifier else ()

    @cached_property
    def judged(self) -> Judged | str:
        """The saved predictions of the split, or why there are none that can be read."""
        try:
            stored = self.run.predictions(self.split) if self.split else None
            return "no predictions are saved" if stored is None else Judged.of(stored, len(self.classes))
        except RunError as error:
            return str(error)

    @cached_property
    def data(self) -> DataBundle | str:
        """The samples, or why they are not to be had."""
        if self.classifier is None:
            return self.no_model
        try:
            return self.classifier.bundle
        except ClfkitError as error:
            return str(error)

    @cached_property
    def samples(self) -> Split | str:
        """The samples that were predicted, in the order of the predictions, or why they are not to be had."""
        data, judged = self.data, self.judged
        if isinstance(data, str):
            return data
        if isinstance(judged, str) or self.split is None:
            return str(judged)
        split: Split = getattr(data, self.split)
        if not np.array_equal(split.labels, judged.labels) or split.ids.tolist() != judged.ids.tolist():
            return "the data have changed since the run: other samples, labels, or another split"
        return split
