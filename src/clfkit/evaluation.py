"""A trained model on one split: metrics, per-class figures and predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.bootstrap import Intervals, intervals
from clfkit.calibration import fit_temperature, tempered
from clfkit.data.bundle import ClassMap, DataBundle, FloatArray, Ids, IndexArray, Part, Split
from clfkit.data.limits import BestAccuracy, best_on
from clfkit.engines.base import Engine
from clfkit.errors import ModelError
from clfkit.metrics import Measure, Predictions, score
from clfkit.metrics.probabilities import reliability
from clfkit.mistakes import Confused, Suspect, confused_pairs, likely_label_errors
from clfkit.run import RunDirectory
from clfkit.views import Views

ALL_CLASSES = 1000
KEPT_CLASSES = 100
OF_PROBABILITIES = ("log_loss", "brier", "ece")
"""Metrics that a temperature changes and that tell whether it helps."""
PER_CLASS = ("precision", "recall", "f1", "support")
RESAMPLING_SEED = 0  # the same resamples for every run, so that two runs on one split can be compared
SORTED_AT_ONCE = 10_000_000  # probabilities


@dataclass(frozen=True)
class Evaluation:
    """What a model is worth on one split. baselines: {name: {metric: value}} of `clfkit.baselines`.

    content: what tells which samples these were, as `Split.content` does.
    """

    split: str
    samples: int
    metrics: dict[str, float]
    intervals: Intervals
    predictions: Predictions
    ids: Ids
    temperature: float | None = None
    best: BestAccuracy | None = None  # what is possible, where that is known
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    content: Mapping[str, str] = field(default_factory=dict)

    @property
    def classes(self) -> dict[str, dict[str, Any]]:
        """{class: {precision, recall, f1, support}}, and `recall_interval` and so on, lower and upper ends."""
        table, ends = self.predictions.per_class[:4], self.intervals.classes
        return {
            name: {
                **{
                    column: int(cell) if column == "support" else float(cell)
                    for column, cell in zip(PER_CLASS, row, strict=True)
                },
                **{f"{column}_interval": of_all[:, at].tolist() for column, of_all in ends.items()},
            }
            for at, (name, *row) in enumerate(zip(self.predictions.classes.names, *table, strict=True))
        }

    def as_json(self) -> dict[str, Any]:
        """For evaluation/<split>.json. NaN (undefined) becomes null when it is written."""
        return {
            "split": self.split,
            "samples": self.samples,
            "content": self.content,
            "metrics": self.metrics,
            "intervals": self.intervals.metrics,
            "resamples": self.intervals.resamples,
            **({"bayes": self.best.as_json()} if self.best else {}),
            "baselines": self.baselines,
            "calibration": self.calibration(),
            "confused": [asdict(pair) for pair in self.confused],
            "label_errors": [asdict(suspect) for suspect in self.label_errors],
            "classes": self.classes,
        }

    @cached_property
    def confused(self) -> list[Confused]:
        """The classes that are confused most often."""
        return confused_pairs(self.predictions)

    @cached_property
    def label_errors(self) -> list[Suspect]:
        """Samples whose given label is probably wrong; none where samples were drawn from their classes."""
        if self.best is not None:
            return []
        return likely_label_errors(self.predictions, self.ids)

    @cached_property
    def calibrated(self) -> Predictions | None:
        """The predictions at the model's temperature; None for a model without."""
        if self.temperature is None:
            return None
        return replace(self.predictions, probabilities=tempered(self.predictions.probabilities, self.temperature))

    def calibration(self) -> dict[str, Any]:
        """The bins of a reliability diagram, and what the model's temperature makes of them and of the metrics."""
        found: dict[str, Any] = {"bins": _bins(self.predictions)}
        if self.calibrated is not None:
            found |= {"temperature": self.temperature, "metrics": score(self.calibrated, OF_PROBABILITIES)}
            found |= {"calibrated_bins": _bins(self.calibrated)}
        return found


def _bins(predictions: Predictions) -> list[dict[str, float]]:
    return [each._asdict() for each in reliability(predictions.confidence, predictions.right)]


def evaluate(
    engine: Engine,
    split: Split,
    name: str,
    classes: ClassMap,
    train_counts: Sequence[int] | None = None,
    views: Views | None = None,
    temperature: float | None = None,
) -> Evaluation:
    """Score the engine's model on a split: training never does, so no choice is made on test.

    train_counts: (K,) train samples of each class, for the metrics that part classes by them.
    views: average the probabilities over them. The loss, which is one of logits, is then undefined.
    temperature: what the probabilities are at it is told beside; the metrics are those of the model as it is.
    Raises ModelError where probabilities are not finite.
    """
    if views is None:
        probabilities, totals = engine.evaluate(split)
        loss = totals.mean_loss
    else:
        probabilities, loss = views.predict(engine, split.inputs), float("nan")
    undefined = np.count_nonzero(~np.isfinite(probabilities).all(axis=1))
    if undefined:
        raise ModelError(
            f"{name}: the model gives {undefined:,} of {len(split):,} samples probabilities that are no numbers; "
            "its weights or their inputs are not finite"
        )
    counts = None if train_counts is None else np.array(train_counts, np.int64)
    predictions = Predictions(split.labels, probabilities, classes, loss, counts)
    scores = score(predictions)
    ends, best = intervals(predictions, scores, RESAMPLING_SEED), best_on(split, len(classes))
    return Evaluation(name, len(split), scores, ends, predictions, split.ids, temperature, best, content=split.content)


def evaluate_held_out(engine: Engine, bundle: DataBundle, train_counts: Sequence[int]) -> list[Evaluation]:
    """What a finished model is worth on valid and test, or on train where there is neither.

    The temperature that both are told at is fitted on valid: never on test, nor on train, where a model is surer than
    it may be.
    """
    parts: list[Part] = [part for part in ("valid", "test") if len(getattr(bundle, part))]
    found: list[Evaluation] = []
    temperature = None
    for part in parts or ["train"]:
        evaluation = evaluate(engine, bundle.part(part), part, bundle.spec.classes, train_counts, None, temperature)
        if part == "valid":
            temperature = fit_temperature(evaluation.predictions.probabilities, evaluation.predictions.labels)
            evaluation = replace(evaluation, temperature=temperature)
        found.append(evaluation)
    return found


def measure(names: Sequence[str], split: Split, classes: ClassMap, train_counts: IndexArray) -> Measure | None:
    """What finds the metrics of these names on a split after every epoch; None without names."""
    if not names:
        return None

    def found(probabilities: FloatArray, loss: float) -> dict[str, float | None]:
        values = score(Predictions(split.labels, probabilities, classes, loss, train_counts), names)
        return {f"valid.{name}": value if math.isfinite(value) else None for name, value in values.items()}

    return found


def tells_nothing(name: str, split: Split, classes: ClassMap, train_counts: IndexArray) -> str | None:
    """Why a metric can tell no two models apart on a split: it is undefined there, or always the same; else None.

    It is asked about predictions that are all right, all wrong and all undecided. Losses differ between them.
    """
    samples, shape = np.arange(len(split)), (len(split), len(classes))
    values = []
    for loss, own in enumerate((1.0, 0.0, 1 / len(classes))):
        probabilities = np.full(shape, (1 - own) / max(len(classes) - 1, 1), np.float32)
        probabilities[samples, split.labels] = own
        with np.errstate(all="ignore"):  # logarithms of 0, say
            values.append(score(Predictions(split.labels, probabilities, classes, loss, train_counts), [name])[name])
    if not any(map(math.isfinite, values)):
        return "undefined"
    return f"always {values[0]:g}" if len(set(values)) == 1 else None


def save_evaluation(run: RunDirectory, evaluation: Evaluation) -> None:
    """Keep metrics and predictions of one split of the run's own data."""
    run.save_evaluation(evaluation.split, evaluation.as_json())
    run.save_predictions(
        evaluation.split,
        ids=np.asarray(evaluation.ids),
        labels=evaluation.predictions.labels,
        predicted=evaluation.predictions.predicted.astype(np.int32),  # float16 knows fewer differences
        **stored_probabilities(evaluation.predictions.probabilities),
    )


def stored_probabilities(probabilities: FloatArray) -> dict[str, npt.NDArray[Any]]:
    """What is kept of (N, K) probabilities: all of them, or of many classes the most probable ones of each sample.

    With K up to `ALL_CLASSES`: `probabilities`, (N, K) float16. Beyond: `top_classes` and `top_probabilities`,
    (N, `KEPT_CLASSES`), most probable first; of 20,000 classes the rest would be gigabytes of almost zeros.
    """
    classes = probabilities.shape[1]
    if classes <= ALL_CLASSES:
        return {"probabilities": probabilities.astype(np.float16)}
    best = np.empty((len(probabilities), KEPT_CLASSES), np.int32)
    rows = max(1, SORTED_AT_ONCE // classes)
    for start in range(0, len(best), rows):
        block = probabilities[start : start + rows]
        found = np.argpartition(block, classes - KEPT_CLASSES, axis=1)[:, -KEPT_CLASSES:]
        order = np.argsort(-np.take_along_axis(block, found, axis=1), axis=1, kind="stable")
        best[start : start + rows] = np.take_along_axis(found, order, axis=1)
    return {
        "top_classes": best,
        "top_probabilities": np.take_along_axis(probabilities, best, axis=1).astype(np.float16),
    }
