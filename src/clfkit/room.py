"""Whether the disk has room for the checkpoints of a run."""

from __future__ import annotations

from pathlib import Path

from clfkit.engines.base import Arrays, Engine
from clfkit.errors import RunError
from clfkit.storage import free_space
from clfkit.train_options import TrainOptions
from clfkit.trainer import Trainer
from clfkit.wording import in_bytes


def room_for(model: int, optimizer: int, *, others: int, best_apart: bool) -> int:
    """Bytes of all checkpoints while one is replaced: the best, `others` without an optimizer, three to resume from.

    Those three are `last`, `previous` and the one that is being written. model, optimizer: bytes of their arrays.
    best_apart: whether each of the three holds the best model beside its own.
    """
    return 3 * (model * (1 + best_apart) + optimizer) + model * (1 + others)


def kept_models(options: TrainOptions, epochs: int, *, initial: bool) -> int:
    """How many checkpoints of a model alone a run keeps beside the best one: snapshots, and the initial one."""
    snapshots = options.snapshots
    return initial + (min(snapshots.last, epochs // snapshots.every) if snapshots else 0)


def room_needed(engine: Engine, options: TrainOptions, epochs: int, *, initial: bool) -> tuple[int, int]:
    """The least and the most bytes that the checkpoints of a run take at a time.

    initial: whether the model before training is one of them. Before the first step an optimizer may keep nothing yet:
    then the most supposes two numbers for each one of the model.
    """
    model, optimizer = _bytes(engine.model_state()), _bytes(engine.optimizer_state())
    others = kept_models(options, epochs, initial=initial)
    supposed = optimizer or model * (2 if options.ema is None else 3)
    return (
        room_for(model, optimizer, others=others, best_apart=False),
        room_for(model, supposed, others=others, best_apart=True),
    )


def lack_of_room(folder: Path, trainer: Trainer, *, initial: bool) -> str | None:
    """What to say where the disk that holds a run's folder may be too small. Raises RunError where it surely is."""
    least, most = room_needed(trainer.engine, trainer.options, trainer.epochs, initial=initial)
    free = free_space(folder)
    if free is None or trainer.finished:  # what is scored and drawn takes far less
        return None
    usable = free + sum(path.stat().st_size for path in (folder / "checkpoints").rglob("*") if _gives_way(path))
    if usable < least:
        raise RunError(
            f"not enough room on the disk: checkpoints will take {in_bytes(least)} at least, and {in_bytes(free)} are "
            f"free in {folder}; --out takes another folder"
        )
    if usable < most:
        return (
            f"note: checkpoints may take {in_bytes(most)}, and {in_bytes(free)} are free in {folder}; when the disk is "
            "full training stops, and the last checkpoint stays"
        )
    return None


def _gives_way(path: Path) -> bool:
    """Whether it is a file of a checkpoint that newer ones replace, and not one that is set aside for good."""
    return path.is_file() and not path.parent.name.endswith(".damaged")


def _bytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())
