"""Writing a trained model as one file for other programs, read again and compared before it counts."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit import rng
from clfkit.classifier import Classifier, prediction_setup
from clfkit.components import losses, models
from clfkit.data.bundle import DataSpec, FloatArray
from clfkit.errors import ModelError, UsageError
from clfkit.exporting.description import description
from clfkit.exporting.formats import FormatName, format_called
from clfkit.storage import staged, write_json

SAMPLES = 16
TOLERANCE = 1e-4
"""Largest difference of a probability. Another order of summing gives some 1e-7, in deep networks up to 1e-5; what is
wrong (a mean left out, classes in another order) gives more than this."""


@dataclass(frozen=True)
class Exported:
    """What was written. difference: the largest between a probability of the file and of `predict`."""

    path: Path
    described: Path
    size: int
    difference: float


def export(classifier: Classifier, name: FormatName, path: Path | None = None) -> Exported:
    """Write the model, normalisation inside, and beside it a description in JSON: FILE and FILE.json.

    path: by default `export/best.pt2` in the run's folder, or `epoch-0012` for another checkpoint than the best.
    The file computes in fp32 (fp64 where that was trained in), and must answer as `predict` does on a processor.
    Raises UsageError, ModelError when the model cannot be exported or the file differs, RunError.
    """
    made = format_called(name)
    path = _place(classifier, made.suffix, path)
    exact = _exact(classifier)
    content = made.content(_program(exact))
    with staged(path, content) as written:
        difference = largest_difference(made.loaded(written), exact)
        if not difference <= TOLERANCE:
            raise ModelError(
                f"{path}: not written, since the file's probabilities differ from those of predict by "
                f"{difference:.1g}; {TOLERANCE:g} is allowed"
            )
    described = path.with_name(path.name + ".json")
    sha256 = hashlib.sha256(content).hexdigest()
    check = {"samples": SAMPLES, "largest_difference": difference}
    about = description(exact, made.libraries)
    write_json(described, {"file": path.name, "format": name, "sha256": sha256, **about, "check": check})
    return Exported(path, described, len(content), difference)


def largest_difference(answer: Callable[[npt.NDArray[Any]], FloatArray], classifier: Classifier) -> float:
    """Between probabilities of `answer` and the classifier's own, for random samples all at once and one by itself.

    NaN where either is.
    """
    samples = random_samples(classifier.spec)
    batches = (samples, samples[:1])
    return float(np.max([np.abs(answer(batch) - classifier.engine.predict(batch)).max() for batch in batches]))


def random_samples(spec: DataSpec) -> npt.NDArray[Any]:
    """The same few raw samples for every model of that shape: noise, with the mean and deviation of features."""
    generator = rng.generator(0, "export")
    if spec.inputs == "image":
        return generator.integers(0, 256, (SAMPLES, *spec.shape), np.uint8)
    return generator.normal(spec.mean, spec.std, (SAMPLES, *spec.shape))


def _place(classifier: Classifier, suffix: str, path: Path | None) -> Path:
    """Where the file goes. Raises UsageError when nobody says, or with another suffix."""
    if path is not None:
        if path.suffix != suffix:
            raise UsageError(f"--output {path}: the name of such a file ends in {suffix}")
        return path
    if classifier.run is None:
        raise UsageError("the checkpoint belongs to no run; say where the file goes with --output FILE")
    stem = "best" if classifier.is_best else f"epoch-{classifier.checkpoint.state.epoch:04}"
    return classifier.run.export_path(stem + suffix)


def _exact(classifier: Classifier) -> Classifier:
    """The same classifier as `predict` has it on a processor, without shortened numbers."""
    precision = "fp64" if classifier.config.train.precision == "fp64" else "fp32"
    plain = classifier.with_overrides([f"train.precision={precision}", "train.device=cpu"])
    return dataclasses.replace(plain, device="cpu")


def _program(classifier: Classifier) -> Any:
    """The torch program of a model that either engine trained."""
    config = classifier.config
    for registry, part in ((models, config.model), (losses, config.train.loss)):
        if not registry.serves(part.name, "torch"):
            raise ModelError(f"{registry.kind} {part.name!r} is built by engine 'scratch' alone; torch makes the file")
    from clfkit.engines.pytorch.program import traced

    setup = prediction_setup(config, classifier.spec, classifier.checkpoint.class_counts)
    return traced(setup, classifier.checkpoint.model, random_samples(classifier.spec))
