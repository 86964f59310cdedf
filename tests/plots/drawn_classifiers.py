"""Classifiers to draw: trained for a moment, or with predictions that a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clfkit.checkpoint import Checkpoint
from clfkit.classifier import Classifier
from clfkit.components import engines
from clfkit.config import ExperimentConfig, check_document
from clfkit.data.bundle import ClassMap, DataBundle, DataSpec, IndexArray, Split
from clfkit.data.loading import load_bundle
from clfkit.document import parse_document
from clfkit.engines.base import Engine, EngineSetup
from clfkit.history import EpochRecord, TrainState
from clfkit.run import RunDirectory

Array = npt.NDArray[np.generic]


def config_of(data: str, more: str = "") -> ExperimentConfig:
    """A config with the given data section (YAML flow style) and further lines."""
    text = f"name: drawn\ndata: {data}\nmodel: {{name: mlp, hidden: [16]}}\n{more}\n"
    return check_document(parse_document(text, "test.yaml"))


def records_of(epochs: int, *, valid: bool = True) -> tuple[EpochRecord, ...]:
    """A history whose best valid loss stands at two thirds of the epochs."""
    turn = max(1, 2 * epochs // 3)
    return tuple(
        EpochRecord(
            epoch=e, step=10 * e, lr=0.1 / e, train_loss=1 / e, train_accuracy=1 - 0.5 / e, seconds=0.1,
            valid_loss=0.1 + abs(e - turn) / epochs if valid else None,
            valid_accuracy=1 - 0.6 / e if valid else None,
        )
        for e in range(1, epochs + 1)
    )  # fmt: skip


def trained(tmp_path: Path, config: ExperimentConfig, *, steps: int = 100) -> Classifier:
    """A run of a few steps, with its first and its last model."""
    bundle = load_bundle(config.data, config.data_seed)
    counts = bundle.train.counts(len(bundle.spec.classes))
    setup = EngineSetup(
        spec=bundle.spec, model=config.model, loss=config.train.loss, optimizer=config.train.optimizer,
        train=bundle.train, class_counts=counts, seed=1, batch_size=64, device="cpu", threads=1,
    )  # fmt: skip
    engine: Engine = engines.build(config.engine, setup)
    run = RunDirectory.create(tmp_path, config, "run")

    def checkpoint(records: tuple[EpochRecord, ...] = ()) -> Checkpoint:
        return Checkpoint(
            config,
            bundle.spec,
            tuple(counts.tolist()),
            bundle.fingerprint,
            TrainState(),
            records,
            engine.model_state(),
        )

    run.save_checkpoint("initial", checkpoint())
    random = np.random.default_rng(0)
    batches = [random.integers(0, len(bundle.train), 64) for _ in range(steps)]
    totals = engine.read([engine.train_step(indices, 0.02, key) for key, indices in enumerate(batches)])
    run.append_step_losses(totals.step_losses, 0)
    run.write_history(records_of(12, valid=len(bundle.valid) > 0))
    run.save_checkpoint("best", checkpoint(run.history()))
    return Classifier(run.checkpoint("best"), config, run)


class Oracle:
    """An engine whose predictions are a function of the inputs."""

    def __init__(self, answer: Callable[[Array], Array]) -> None:
        self._answer = answer

    def predict(self, inputs: Array) -> npt.NDArray[np.float32]:
        """Probabilities (N, K)."""
        return np.asarray(self._answer(inputs[np.arange(len(inputs))]), np.float32)


def certain(predicted: IndexArray, classes: int, share: float = 0.9) -> npt.NDArray[np.float32]:
    """Probabilities that give `share` to one class each, and the rest to all others."""
    probabilities = np.full((len(predicted), classes), (1 - share) / max(1, classes - 1), np.float32)
    probabilities[np.arange(len(predicted)), predicted] = share
    return probabilities


def invented(
    inputs: Array,
    labels: IndexArray,
    names: tuple[str, ...],
    answer: Callable[[Array], Array],
    *,
    records: tuple[EpochRecord, ...] = (),
    test_inputs: Array | None = None,
    test_labels: IndexArray | None = None,
    run: RunDirectory | None = None,
    config: ExperimentConfig | None = None,
) -> Classifier:
    """A classifier with samples, classes and predictions of our own; without test samples, train is both."""
    kind = "vector" if inputs.ndim == 2 else "image"
    features = inputs.shape[1]
    feature_names = tuple(f"f{i}" for i in range(features)) if kind == "vector" else ()
    spec = DataSpec(
        inputs=kind, shape=inputs.shape[1:], classes=ClassMap(names=names), mean=(0.0,) * features,
        std=(1.0,) * features, feature_names=feature_names,
    )  # fmt: skip
    train = Split(inputs, labels, np.arange(len(labels)))
    valid = Split(inputs[:0], labels[:0], np.arange(0))
    test = train
    if test_inputs is not None and test_labels is not None:
        test = Split(test_inputs, test_labels, np.arange(len(test_labels)))
    bundle = DataBundle(spec, train, valid, test)
    chosen = config or config_of("blobs" if kind == "vector" else "digits")
    checkpoint = Checkpoint(chosen, spec, tuple(train.counts(len(names)).tolist()), "", TrainState(), records, {})
    classifier = Classifier(checkpoint, chosen, run)
    vars(classifier).update(bundle=bundle, engine=Oracle(answer))  # where cached_property keeps its values
    return classifier
