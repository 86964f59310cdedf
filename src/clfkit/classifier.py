"""A trained classifier, restored from its checkpoint alone: what predictions, evaluation and figures look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.calibration import tempered
from clfkit.checkpoint import Checkpoint, find_checkpoint, read_checkpoint
from clfkit.components import engines
from clfkit.config import FREE_OPTIONS, ExperimentConfig, changed_options, load_config, override_config
from clfkit.data.batches import Batches
from clfkit.data.bundle import PARTS, DataBundle, DataSpec, FloatArray, Inputs
from clfkit.data.files import read_samples
from clfkit.data.loading import load_bundle
from clfkit.engines.auto import resolved
from clfkit.engines.base import Engine, EngineSetup
from clfkit.errors import CheckpointError, DataError, UsageError
from clfkit.history import EpochRecord
from clfkit.run import OUTPUTS, RunDirectory, run_called
from clfkit.views import Views


@dataclass(frozen=True, repr=False)
class Classifier:
    """A model with the specification of its inputs. `run` is the run it comes from, if that is known.

    config may differ from the checkpoint's own in where data is found. is_best: the checkpoint is the run's best one.
    device: where to compute, if that was asked for.
    """

    checkpoint: Checkpoint
    config: ExperimentConfig
    run: RunDirectory | None = None
    is_best: bool = False
    device: str | None = None

    def __repr__(self) -> str:
        where = self.run.path if self.run else "a checkpoint"
        return f"Classifier({self.config.model.name} of {len(self.classes)} classes from {where})"

    @classmethod
    def trained(cls, checkpoint: Checkpoint, run: RunDirectory, engine: Engine, bundle: DataBundle) -> Classifier:
        """A classifier whose engine (with the checkpoint's weights) and data are at hand already."""
        classifier = cls(checkpoint, checkpoint.config, run)
        vars(classifier).update(engine=engine, bundle=bundle)  # fills the cached properties
        return classifier

    def predict(self, inputs: npt.ArrayLike | str | Path) -> npt.NDArray[Any]:
        """The most probable class of each sample, named as in the data (integers where the names are), shape (N,).

        inputs: samples (N, …) in raw units (pixels 0 to 255, features unscaled), or a file or folder of samples.
        Raises DataError when they do not fit the model.
        """
        labels: npt.NDArray[Any] = self.spec.classes.labels[self.predict_proba(inputs).argmax(axis=1)]
        return labels

    def predict_proba(self, inputs: npt.ArrayLike | str | Path, *, calibrated: bool = False) -> FloatArray:
        """Class probabilities (N, K), columns in the order of `classes`. See `predict`.

        calibrated: at the model's temperature. Raises UsageError for a model without.
        """
        temperature = self.temperature if calibrated else None
        probabilities = self.engine.predict(self._read(inputs))
        return probabilities if temperature is None else tempered(probabilities, temperature)

    @property
    def temperature(self) -> float:
        """The temperature of the probabilities that was fitted on valid. Raises UsageError where none was."""
        if self.checkpoint.temperature is None:
            raise UsageError(
                "no temperature was fitted to this model: that takes a valid split, at the end of a run, and the run's "
                "best checkpoint"
            )
        return self.checkpoint.temperature

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probability columns."""
        return self.spec.classes.names

    @property
    def spec(self) -> DataSpec:
        """What the model expects of its inputs."""
        return self.checkpoint.spec

    @property
    def records(self) -> tuple[EpochRecord, ...]:
        """The training history up to this checkpoint, or of the whole run if that is known."""
        return (self.run.history() if self.run else ()) or self.checkpoint.records

    @cached_property
    def engine(self) -> Engine:
        """The engine with the trained weights, for prediction only."""
        engine = build_engine(self.config, self.spec, self.checkpoint.class_counts, self.device)
        engine.load_state(self.checkpoint.model)
        return engine

    @cached_property
    def bundle(self) -> DataBundle:
        """The data of the experiment, read again and treated as the model's own: nothing is fitted anew.

        Classes and features are matched by name. Raises DataError, ClassMismatch.
        """
        bundle = load_bundle(self.config.data, self.config.data_seed, self.spec)
        order = self.spec.classes.translation(bundle.spec.classes, "the data")
        if np.array_equal(order, np.arange(len(order))):
            return bundle
        parts = {
            part: dataclasses.replace(split, labels=order[split.labels], density=None)  # that has the data's own order
            for part in PARTS
            for split in [getattr(bundle, part)]
        }
        spec = bundle.spec.model_copy(update={"classes": self.spec.classes})
        return DataBundle(spec, **parts)

    @property
    def publishes(self) -> bool:
        """Whether what it scores is the run's own result: the best checkpoint on the very data of the run."""
        changes = changed_options(self.checkpoint.config, self.config)
        return self.is_best and not self.data_changed and all(c.split(": ")[0] in FREE_OPTIONS for c in changes)

    @property
    def data_changed(self) -> bool:
        """Whether samples or split differ from those that the model was trained with."""
        return self.bundle.fingerprint != self.checkpoint.fingerprint

    def views(self, count: int | None) -> Views | None:
        """What looks at every sample `count` times, with the augmentations of the config. Raises UsageError."""
        return None if count is None else Views(count, self.config.train.augment, self.spec, self.config.seed)

    def with_overrides(self, overrides: Sequence[str]) -> Classifier:
        """The same model with options changed as `--set` does: where its data lies, on which device it runs.

        Raises ConfigError; UsageError for options that would make it another model.
        """
        if not overrides:
            return self
        changed = override_config(self.config, overrides)
        if changed.model != self.config.model or changed.train.loss != self.config.train.loss:
            raise UsageError("--set: model and loss of a checkpoint cannot be changed; data and device can")
        chosen = any(text.startswith("train.device=") for text in overrides)
        return dataclasses.replace(self, config=changed, device=changed.train.device if chosen else None)

    def on_data_of(self, path: Path, overrides: Sequence[str] = ()) -> Classifier:
        """The same model on the data of another experiment's YAML file, with its overrides. Raises ConfigError."""
        other = load_config(path, overrides)
        data = self.config.model_copy(update={"data": other.data, "seed": other.seed})
        return dataclasses.replace(self, config=data)

    def initial(self) -> Classifier | None:
        """The same model before training, if the run kept it."""
        path = self.run.checkpoint_path("initial") if self.run else None
        return Classifier(read_checkpoint(path), self.config, self.run) if path else None

    def _read(self, inputs: npt.ArrayLike | str | Path) -> Inputs:
        """Samples as the engine takes them. Raises DataError."""
        if isinstance(inputs, (str, Path)):
            return read_samples([Path(inputs)], self.spec)[0]
        try:
            array = np.asarray(inputs)
        except ValueError:
            raise DataError(f"samples must all have the same shape, ({', '.join(map(str, self.spec.shape))})") from None
        return self._samples(array)

    def _samples(self, inputs: npt.NDArray[Any]) -> Inputs:
        """Check and shape raw samples; grey images may come without their channel axis."""
        shape = self.spec.shape
        if self.spec.inputs == "image" and shape[0] == 1 and inputs.shape[1:] == shape[1:]:
            inputs = inputs[:, None]
        if inputs.ndim != len(shape) + 1 or inputs.shape[1:] != shape:
            raise DataError(f"samples must have shape (N, {', '.join(map(str, shape))}), not {inputs.shape}")
        if inputs.dtype.kind not in "fiub":
            raise DataError(f"samples must be numbers, not {inputs.dtype}")
        if not np.isfinite(inputs).all():
            raise DataError("samples must be finite numbers; some are NaN or infinite")
        if self.spec.inputs == "image" and inputs.dtype.kind == "f" and inputs.size and 0 < inputs.max() <= 1:
            raise DataError("pixels must be 0 to 255, and these reach only 1: multiply them by 255")
        if self.spec.inputs == "image":
            return inputs if inputs.dtype == np.uint8 else inputs.astype(np.float32)
        return inputs.astype(np.float64)


def load(source: str | Path, out: str | Path = OUTPUTS) -> Classifier:
    """Restore a trained classifier from a run directory or a checkpoint folder, or a run id or `latest` (under `out`).

    Raises UsageError, CheckpointError.
    """
    run, folder = find_source(str(source), Path(out))
    checkpoint = read_checkpoint(folder)
    is_best = run is not None and folder == run.checkpoint_path("best")
    return Classifier(checkpoint, checkpoint.config, run, is_best=is_best)


def find_source(text: str, root: Path) -> tuple[RunDirectory | None, Path]:
    """What `--checkpoint TEXT` means: the run it belongs to (if any) and the checkpoint folder.

    TEXT is `latest`, the id of a run, a run directory (its best checkpoint), a checkpoint folder, or a file in one.
    Raises UsageError or CheckpointError when it is none of these.
    """
    if (called := run_called(text, root)) is not None:
        return _best_of(called)
    path = Path(text)
    if path.is_file():
        path = path.parent
    if not path.is_dir():
        raise UsageError(f"{text}: no such folder; `clfkit runs` lists what there is")
    if (path / "config.yaml").is_file():
        return _best_of(RunDirectory(path))
    found = find_checkpoint(path)
    if found is None:
        inside = sorted(path.glob("*/config.yaml"))
        hint = f"; did you mean {inside[-1].parent}?" if inside else ""
        raise CheckpointError(f"{text}: neither a run directory nor a checkpoint folder{hint}")
    folder = found.parent.parent if found.parent.name == "snapshots" else found.parent
    return (RunDirectory(folder.parent) if (folder.parent / "config.yaml").is_file() else None), found


def _best_of(run: RunDirectory) -> tuple[RunDirectory, Path]:
    path = run.checkpoint_path("best") or run.checkpoint_path("last")
    if path is None:
        raise CheckpointError(f"{run.path} has no checkpoint yet")
    return run, path


def build_engine(
    config: ExperimentConfig, spec: DataSpec, class_counts: tuple[int, ...], device: str | None = None
) -> Engine:
    """The engine that trained, for prediction. Unless a device is named it may be on another one than that."""
    setup = prediction_setup(config, spec, class_counts)
    chosen = resolved(config.engine, setup)
    engine: Engine = engines.build(chosen, dataclasses.replace(setup, device=device or device_here(config)))
    return engine


def prediction_setup(config: ExperimentConfig, spec: DataSpec, class_counts: tuple[int, ...]) -> EngineSetup:
    """What an engine is built from to predict."""
    batches = Batches.of(sum(class_counts), config.train.batch_size, config.seed)
    return EngineSetup.of(
        config.train, spec=spec, model=config.model, train=None, class_counts=np.array(class_counts, np.int64),
        seed=config.seed, batch_size=batches.batch_size,
    )  # fmt: skip


def device_here(config: ExperimentConfig) -> str:
    """Where a model is used that may have been trained on another machine."""
    return "cpu" if config.train.device == "cpu" else "auto"
