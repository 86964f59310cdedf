"""Training put back to where one of its checkpoints was written."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from clfkit.checkpoint import Checkpoint, read_checkpoint
from clfkit.config import ExperimentConfig
from clfkit.data.bundle import DataBundle
from clfkit.engines.averaging import without_moments
from clfkit.engines.base import Arrays, Totals
from clfkit.errors import CheckpointError, RunError
from clfkit.resuming import models_of, refuse_foreign, same_moments
from clfkit.run import RunDirectory
from clfkit.trainer import Trainer


@dataclass(frozen=True)
class Restored:
    """A trainer that stands where the checkpoint that lies in `place` was written.

    saved_best: the epoch of checkpoints/best, 0 if it has to be written again. refusals: what is wrong with newer
    checkpoints, a line each.
    """

    trainer: Trainer
    place: Path
    checkpoint: Checkpoint
    saved_best: int
    refusals: tuple[str, ...]


def restore_newest(run: RunDirectory, trainer: Trainer, bundle: DataBundle, config: ExperimentConfig) -> Restored:
    """Restore the newest checkpoint that is sound and of this run.

    Raises what is wrong with them, RunError or CheckpointError, if all are refused.
    """
    refusals: list[CheckpointError | RunError] = []
    models = models_of(run, config)
    for place in run.resumable():
        try:
            checkpoint = read_checkpoint(place)
            refuse_foreign(place, checkpoint, config, models, bundle)
            restored = restore(run, trainer, checkpoint)
        except CheckpointError as error:
            refusals.append(CheckpointError(f"{place}: {str(error).removeprefix(str(place)).lstrip(':/ ')}"))
            continue
        except RunError as error:  # of other data; the older ones may be of those that are here
            refusals.append(error)
            continue
        # What lies in `best` may be of an epoch that was cut short and goes on now.
        reopened = len(restored.records) < len(checkpoint.records)
        kept = 0 if reopened or _best_epoch(run) != restored.state.best_epoch else restored.state.best_epoch
        return Restored(restored, place, checkpoint, kept, tuple(map(str, refusals)))
    if not refusals:
        raise CheckpointError(f"{run.path} has no last checkpoint")
    raise type(refusals[0])("\n".join(dict.fromkeys(map(str, refusals))))


def restore(run: RunDirectory, trainer: Trainer, checkpoint: Checkpoint) -> Trainer:
    """The trainer as it was when the checkpoint was written. Raises CheckpointError if its arrays are others."""
    fits = same_moments(checkpoint.config.train.optimizer, trainer.options.optimizer)
    moments = checkpoint.optimizer if fits else without_moments(checkpoint.optimizer)
    trainer.engine.load_state(checkpoint.model, moments)
    progress = checkpoint.progress
    before = {name.removeprefix("best/"): progress[name] for name in progress if name.startswith("best/")}
    return dataclasses.replace(
        trainer,
        state=checkpoint.state,
        records=list(checkpoint.records),
        best=_best_model(run, checkpoint),
        before=before or None,
        partial=Totals.of(progress),
    )


def _best_model(run: RunDirectory, checkpoint: Checkpoint) -> Arrays | None:
    """The model of the best epoch when the checkpoint was written; None before there was one."""
    if not checkpoint.state.best_epoch or checkpoint.is_best:
        return checkpoint.model if checkpoint.is_best else None
    return checkpoint.best or run.checkpoint("best").model  # clfkit has not always written it beside


def _best_epoch(run: RunDirectory) -> int:
    """The epoch of checkpoints/best: 0 if it is damaged, perhaps one that the last checkpoint does not know yet."""
    try:
        return run.checkpoint("best").state.best_epoch
    except CheckpointError:
        return 0
