"""Which run can be continued, how far it came, and with which options."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from clfkit.checkpoint import Checkpoint
from clfkit.components import OptimizerOptions
from clfkit.config import FREE_OPTIONS, ExperimentConfig, changed_options, override_config
from clfkit.data.bundle import DataBundle, listed
from clfkit.errors import CheckpointError, RunError, UsageError
from clfkit.history import TrainState
from clfkit.registry import Component
from clfkit.run import RunDirectory, all_runs
from clfkit.schedules import Progress, build_schedule
from clfkit.train_options import TrainOptions


def resumable_run(out: Path, config: ExperimentConfig) -> RunDirectory:
    """The latest run of this experiment that is not finished, or that the config's epochs would extend.

    Raises RunError when there is none.
    """
    runs = all_runs(out, config.name)
    for run in reversed(runs):
        status = run.status()["status"]
        if run.checkpoint_path("last") and status not in ("finished", "running"):
            return run
        if untrained(run) and status in ("interrupted", "crashed"):
            return run
    if runs and runs[-1].checkpoint_path("last") and _longer(runs[-1].config().train, config.train):
        return runs[-1]
    there = f"nothing to resume under {out / config.name}"
    if not runs:
        raise RunError(there)
    latest, status = runs[-1].path, runs[-1].status()
    remedy = {
        "finished": "a larger train.epochs extends it",
        "running": f"if that process on {status.get('host')} has gone, --resume {latest} continues it",
    }.get(status["status"], f"--resume {latest} begins it anew")
    raise RunError(f"{there}; the latest, {latest}, is {status['status']}; {remedy}")


def stage(run: RunDirectory) -> str:
    """The status of a run; of one that ended when all but its evaluation was done, that."""
    status = run.status()
    if status["status"] in ("running", "finished") or not status.get("trained"):
        return str(status["status"])
    scored = any((run.path / "evaluation").glob("*.json"))  # by `clfkit eval`, or only its figures are missing
    return "trained" if scored else f"evaluation {status['status']}"


def pieces_of(run: RunDirectory) -> dict[int, int]:
    """From which steps on, counted from 1, memory has made a run cut its batches into how many pieces.

    Raises RunError where somebody has put something else there.
    """
    try:
        return {int(step): int(count) for step, count in run.status().get("pieces", {}).items()}
    except (AttributeError, TypeError, ValueError):
        raise RunError(f"{run.path}/status.json: pieces must be numbers by step") from None


def models_of(run: RunDirectory, config: ExperimentConfig) -> list[dict[str, Any]]:
    """Which models the checkpoints of a run may be of, that goes on with this config: its own before, and earlier ones.

    A checkpoint of the new one comes after it stands in the run's config.
    """
    earlier = run.status().get("models")
    return [*(earlier if isinstance(earlier, list) else ()), run.config().model.plain(), config.model.plain()]


def untrained(run: RunDirectory) -> bool:
    """Whether a run ended before its first checkpoint was there: it has none to go on from, not even a damaged one."""
    folder = run.path / "checkpoints"
    lost = any((folder / name).exists() for name in ("last", "last.old", "last.damaged", "previous", "best"))
    status = run.status()
    return not (lost or run.resumable() or status.get("trained")) and status["status"] != "finished"


def refuse_joined(run: RunDirectory) -> None:
    """Raises RunError for what `clfkit ensemble` has made: it was never trained, so there is nothing to go on with."""
    members = run.status().get("members")
    if members:
        raise RunError(
            f"{run.path} was joined from {len(members)} trained models and not trained itself, so there is nothing to "
            "resume; continue the runs that it was joined from, and join them again with clfkit ensemble"
        )


def _longer(before: TrainOptions, now: TrainOptions) -> list[str]:
    """The options that let training go on for longer than before."""
    longer = ["train.epochs"] if now.epochs > before.epochs else []
    if before.max_steps is not None and (now.max_steps is None or now.max_steps > before.max_steps):
        longer.append("train.max_steps")
    return longer


def refuse_changes(run: RunDirectory, before: ExperimentConfig, config: ExperimentConfig, force: bool) -> None:
    """Raises UsageError for options that would make it another run; only one that is finished may become longer.

    Otherwise an option that was given by --set and is forgotten now would change the schedule of an interrupted run.
    """
    if config.name != before.name:
        raise UsageError(f"{run.path} is a run of the experiment {before.name!r}, not of {config.name!r}")
    changes = changed_options(before, config)
    status = run.status()
    finished = status["status"] == "finished"
    trained = finished or status.get("trained", False)
    harmless = {*FREE_OPTIONS, *(_longer(before.train, config.train) if trained else ())}
    serious = [change for change in changes if change.split(": ")[0] not in harmless]
    if config.train.batch_size != before.train.batch_size:
        raise UsageError(
            f"train.batch_size cannot change within a run ({before.train.batch_size} → {config.train.batch_size}): "
            "its steps and schedule are counted in batches. Start a new run without --resume"
        )
    if serious and not force:
        as_it_was = f"\nContinue it as it was:  clfkit train --resume {run.path}\nor add --force to continue with these"
        if finished:
            as_it_was = "\nIt is finished. Add --force and a larger train.epochs to go on with these"
        raise UsageError(
            f"the options are not those that {run.path} was last trained with:\n  " + "\n  ".join(serious)
            + f"{as_it_was} options, or leave out --resume to start a new run"
        )  # fmt: skip


def refuse_foreign(
    place: Path, checkpoint: Checkpoint, config: ExperimentConfig, models: Collection[Mapping[str, Any]],
    bundle: DataBundle,
) -> None:  # fmt: skip
    """Raises CheckpointError for a checkpoint of another run, RunError where the data are not those of before.

    config, bundle: as they are now. models: those that it may be of, see `models_of`.
    """
    theirs, ours = checkpoint.spec.classes.names, bundle.spec.classes.names
    if theirs != ours:
        shown = [f"{len(names):,} ({listed(names)})" for names in (theirs, ours)]
        raise CheckpointError(f"{place}: its classes are not those of the data: {shown[0]}, not {shown[1]}")
    if checkpoint.fingerprint != bundle.fingerprint:
        raise other_samples(place.parents[1], checkpoint.config, config)
    if (found := checkpoint.config.model.plain()) not in models:
        raise CheckpointError(f"{place}: its model is {found}, and that of the run {config.model.plain()}")


def same_batches(config: ExperimentConfig, before: ExperimentConfig) -> ExperimentConfig:
    """The config with the batch size that a run was started with, where it leaves that to be measured."""
    if config.train.batch_size != "auto":
        return config
    return override_config(config, {"train.batch_size": before.train.batch_size})


def how_far(state: TrainState, train: TrainOptions) -> str:
    """How far a finished run came, and what would take it further."""
    if train.max_steps is not None and state.step >= train.max_steps:
        return f"which is finished after step {state.step:,}; a larger train.max_steps extends it"
    if state.stopped_early:
        return (
            f"which stopped early after epoch {state.epoch}; a larger train.early_stopping.patience goes on (--force)"
        )
    return f"which is finished after epoch {state.epoch}; a larger train.epochs extends it"


def other_samples(path: Path, before: ExperimentConfig, now: ExperimentConfig) -> RunError:
    """What to raise where the samples are not those of the checkpoint, or nobody can tell."""
    was, memory = (getattr(config.data.options, "memory", None) for config in (before, now))
    if was != memory:
        return RunError(
            f"data.memory was {was} and is {memory}: images beyond it are known by their files, others by "
            f"their pixels, so it cannot be told whether {path} would go on with the same; leave it at {was}"
        )
    return RunError(
        f"the data changed since {path} was started (other samples, or another split); "
        "a resumed run would not be the same experiment"
    )


def stretched(before: TrainOptions, now: TrainOptions, lr: float, step: int, per_epoch: int) -> str | None:
    """A note where the rate leaps after `step` steps, since the schedule spans a run that is longer now.

    lr: the optimizer's. per_epoch: steps.
    """
    if not step or not _longer(before, now):
        return None
    schedule = build_schedule(now.schedule)

    def rate(step: int, options: TrainOptions) -> float:
        progress = Progress(step, per_epoch, options.epochs, max_steps=options.max_steps)
        return lr * schedule(progress)

    last = rate(step - 1, before)
    if last == rate(step - 1, now):
        return None
    return (
        f"note: train.schedule {now.schedule.name} spans the whole run, which is longer now: the learning rate was "
        f"{last:.2g} and goes on at {rate(step, now):.2g}"
    )


def same_moments(old: Component[OptimizerOptions], new: Component[OptimizerOptions]) -> bool:
    """Whether an optimizer can go on with what another one kept: same kind, same options but rate and decay."""
    free = {"lr", *OptimizerOptions.model_fields}
    return old.name == new.name and old.options.model_dump(exclude=free) == new.options.model_dump(exclude=free)
