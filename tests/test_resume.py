"""A resumed run equals one that was never stopped, bit for bit; what cannot be continued is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clfkit.classifier import load
from clfkit.config import ExperimentConfig
from clfkit.errors import CheckpointError, Interrupted, RunError, TrainingError, UsageError
from clfkit.experiment import resume_run
from clfkit.plugins import load_plugin
from clfkit.progress import Quiet
from clfkit.resuming import resumable_run
from clfkit.run import RunDirectory
from sameness import assert_equal, remains


class StopAt(Quiet):
    """Raises a signal right after an optimizer step."""

    def __init__(self, step: int, number: int = signal.SIGINT) -> None:
        self.step, self.number = step, number
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def on_step(self, step: int) -> None:
        if step == self.step:
            signal.raise_signal(self.number)


def stopped_and_resumed(laboratory: Any, config: ExperimentConfig, stops: tuple[int, ...]) -> RunDirectory:
    """Run an experiment that is interrupted after each of those steps, to its end."""
    with pytest.raises(Interrupted):
        laboratory.run(config, StopAt(stops[0]), "stopped")
    run = RunDirectory(laboratory.out / config.name / "stopped")
    for stop in stops[1:]:
        with pytest.raises(Interrupted):
            resume_run(run, StopAt(stop))
    assert run.checkpoint("last").state.step == stops[-1]
    assert run.status()["status"] == "interrupted"
    resume_run(run, Quiet())
    assert run.status()["status"] == "finished"
    return run


VECTORS: dict[str, dict[str, Any]] = {
    "sgd": {"train.optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}, "train.schedule": "cosine"},
    "adam": {},
    "adamw": {"train.optimizer": {"name": "adamw", "lr": 0.02}, "train.schedule": {"name": "cosine", "warmup": 1.5}},
    "rmsprop": {
        "train.optimizer": {"name": "rmsprop", "lr": 0.05, "momentum": 0.9},
        "train.schedule": {"name": "plateau", "patience": 0, "factor": 0.5},
        "train.epochs": 8,
    },
    "adagrad": {"train.optimizer": "adagrad", "train.schedule": {"name": "exponential", "gamma": 0.7}},
    "one cycle": {"train.schedule": {"name": "one_cycle", "warmup": 0.5}},
    "multistep": {"train.schedule": {"name": "multistep", "milestones": [1, 2]}},
    "accumulate": {
        "train.accumulate": 3,
        "train.loss": {"name": "cross_entropy", "class_weights": "balanced", "label_smoothing": 0.1},
        "train.optimizer": {"name": "sgd", "weight_decay": 0.01, "decoupled": True, "momentum": 0.5},
    },
    "clip": {"train.clip_norm": 0.1, "train.best": "valid.accuracy"},
    "bf16": {"train.precision": "bf16"},
    "mixed": {"train.mix": "mixup"},
    "batch norm": {"model.norm": "batch", "train.batch_size": 28},
    "no valid split": {"data.split.valid": 0},
    "full batch": {"train.batch_size": "full", "train.epochs": 14},
    "watched": {
        "train.best": "valid.macro_f1",
        "train.early_stopping": {"metric": "valid.balanced_accuracy", "patience": 60},
    },
    "drawn": {"train.sampling": "balanced"},
    "steps": {"train.checkpoint_every": {"steps": 3}},
    "rare": {"train.checkpoint_every": {"epochs": 3}},
    "average": {"train.ema": 0.9, "train.optimizer": {"name": "sgd", "momentum": 0.5}},
    "average cut short": {"train.ema": 0.5, "train.max_steps": 14, "model.norm": "batch", "train.batch_size": 28},
    "cut short": {"train.max_steps": 14, "train.schedule": {"name": "linear", "warmup": 0.5}},
}


@pytest.mark.parametrize("stops", [(5,), (7,), (3, 10, 13)], ids=["boundary", "middle", "thrice"])
@pytest.mark.parametrize("changes", VECTORS.values(), ids=VECTORS)
def test_resumed_equals_uninterrupted(laboratory: Any, changes: Mapping[str, Any], stops: tuple[int, ...]) -> None:
    config = laboratory.config("blobs", changes)
    assert_equal(stopped_and_resumed(laboratory, config, stops), laboratory.run(config))


@pytest.mark.parametrize("stops", [(5,), (3, 10, 13)], ids=["boundary", "thrice"])
@pytest.mark.parametrize("name", [name for name in VECTORS if name not in ("bf16", "mixed")])
def test_resumed_on_the_numpy_engine(laboratory: Any, name: str, stops: tuple[int, ...]) -> None:
    config = laboratory.config("blobs", {**VECTORS[name], "engine": "scratch"})
    assert_equal(stopped_and_resumed(laboratory, config, stops), laboratory.run(config))


@pytest.mark.parametrize("engine", ["torch", "scratch"])
@pytest.mark.parametrize("ema", [None, 0.99], ids=["weights", "average"])
@pytest.mark.parametrize("stops", [(5,), (7,)], ids=["boundary", "middle"])
@pytest.mark.parametrize(
    "optimizer", [{"name": "adam", "lr": 0.01}, {"name": "sgd", "momentum": 0.9}], ids=["adam", "sgd"]
)
def test_resumed_network_with_dropout_and_batch_norm(
    laboratory: Any, optimizer: dict[str, Any], stops: tuple[int, ...], ema: float | None, engine: str
) -> None:
    changes = {"train.optimizer": optimizer, "train.schedule": "one_cycle", "engine": engine, "train.ema": ema}
    changes |= {"train.augment": ["shift"], "train.max_steps": 12} if ema else {}
    config = laboratory.config("digits", changes)
    assert_equal(stopped_and_resumed(laboratory, config, stops), laboratory.run(config))


@pytest.mark.parametrize("ema", [None, 0.9], ids=["weights", "average"])
@pytest.mark.parametrize("stops", [(3,), (5,), (2, 5, 7)], ids=["frozen", "boundary", "thrice"])
def test_resumed_backbone_that_learns_later(laboratory: Any, stops: tuple[int, ...], ema: float | None) -> None:
    backbone = {"name": "resnet_small", "channels": [2, 3], "blocks": 1, "drop_path": 0.2}
    model = {
        "name": "custom_head", "backbone": backbone, "freeze": True, "unfreeze_at": 2, "backbone_lr": 0.3,
        "layer_decay": 0.8, "pooling": "gem", "head": "cosine",
    }  # fmt: skip
    optimizer = {"name": "adamw", "lr": 0.01, "weight_decay": 0.1}
    config = laboratory.config("digits", {"model": model, "train.optimizer": optimizer, "train.ema": ema})
    assert_equal(stopped_and_resumed(laboratory, config, stops), laboratory.run(config))


@pytest.mark.parametrize("stops", [(5,), (7,)], ids=["boundary", "middle"])
def test_resumed_with_mixed_and_augmented_images(laboratory: Any, stops: tuple[int, ...]) -> None:
    changes = {"train.augment": ["affine", "flip"], "train.mix": "cutmix", "train.max_steps": 12}
    config = laboratory.config("digits", changes)
    assert_equal(stopped_and_resumed(laboratory, config, stops), laboratory.run(config))


@pytest.mark.parametrize("engine", ["torch", "scratch", "auto"])
@pytest.mark.parametrize("stops", [(5,), (8, 10)])
def test_resumed_two_class_loss(laboratory: Any, stops: tuple[int, ...], engine: str) -> None:
    config = laboratory.config("moons", {"train.loss.class_weights": {"0": 2.0}, "engine": engine})
    assert_equal(stopped_and_resumed(laboratory, config, stops), laboratory.run(config))


EARLY = {"train.early_stopping": {"patience": 2}, "train.optimizer.lr": 0.5, "train.epochs": 60}


@pytest.mark.parametrize("stops", [(5,), (7,), (10, 13)])
def test_resumed_run_stops_early_at_the_same_epoch(laboratory: Any, stops: tuple[int, ...]) -> None:
    config = laboratory.config("blobs", EARLY)
    run = laboratory.run(config)
    state = run.checkpoint("last").state
    assert state.stopped_early and state.epoch < 60
    assert_equal(stopped_and_resumed(laboratory, config, stops), run)


def test_crash_after_early_stopping_trains_no_further(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", EARLY))
    before = remains(run)
    run.set_status("failed", reason="the disk was full while drawing")
    resume_run(run, Quiet())
    assert remains(run) == before


@pytest.mark.parametrize("engine", ["torch", "scratch", "auto"])
def test_every_step_is_a_good_place_to_stop(laboratory: Any, engine: str) -> None:
    config = laboratory.config("blobs", {"train.epochs": 2, "engine": engine})
    whole = laboratory.run(config)
    assert_equal(stopped_and_resumed(laboratory, config, tuple(range(1, 10))), whole)


@pytest.mark.parametrize("engine", ["torch", "scratch"])
@pytest.mark.parametrize("changes", [{}, {"train.ema": 0.5, "train.best": "valid.macro_f1"}, {"train.max_steps": 7}])
def test_signal_in_the_last_step_of_an_epoch_leaves_its_validation_to_the_resumed_run(
    laboratory: Any, engine: str, changes: dict[str, Any]
) -> None:
    config = laboratory.config("blobs", {"train.epochs": 2, "engine": engine, **changes})
    last = config.train.max_steps or 10
    run = stopped_and_resumed(laboratory, config, (5, last))
    assert_equal(run, laboratory.run(config))


@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_signal_in_the_midst_of_validation_is_heard_before_its_next_batch(
    laboratory: Any, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = laboratory.config("blobs", {"engine": engine, "data.samples": 4000, "data.split": {"valid": 0.5}})
    evaluated: list[int] = []

    def batches(samples: int, *_: int) -> Iterator[np.ndarray[Any, Any]]:
        for start in range(0, samples, 100):
            evaluated.append(start)
            if len(evaluated) == 3:
                signal.raise_signal(signal.SIGTERM)
            yield np.arange(start, start + 100)

    monkeypatch.setattr(
        f"clfkit.engines.{'pytorch' if engine == 'torch' else engine}.engine.evaluation_batches", batches
    )
    with pytest.raises(Interrupted):
        laboratory.run(config, None, "stopped")
    run = RunDirectory(laboratory.out / "tiny" / "stopped")
    assert len(run.history()) == 0 and run.checkpoint("last").state.epoch == 0
    resume_run(run, Quiet())
    assert_equal(run, laboratory.run(config))


def test_second_signal_stops_at_once_and_the_run_can_go_on(laboratory: Any) -> None:
    class Twice(StopAt):
        def on_step(self, step: int) -> None:
            super().on_step(step)
            super().on_step(step)

    config = laboratory.config()
    with pytest.raises(KeyboardInterrupt):
        laboratory.run(config, Twice(12), "stopped")
    run = RunDirectory(laboratory.out / "tiny" / "stopped")
    assert run.status()["status"] == "interrupted"
    assert run.checkpoint("last").state.step == 10
    resume_run(run, Quiet())
    assert_equal(run, laboratory.run(config))


def test_a_second_interrupt_in_a_save_begins_no_other_one(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def save(run: RunDirectory, kind: Any, checkpoint: Any) -> None:
        if kind != "initial":
            begun.append(kind)
            signal.raise_signal(signal.SIGINT)

    config = laboratory.config("blobs", {"train.checkpoint_every": {"steps": 50}})
    monkeypatch.setattr(RunDirectory, "save_checkpoint", save)
    with pytest.raises(KeyboardInterrupt):
        laboratory.run(config, StopAt(3), "stopped")
    assert begun == ["last"]


def test_term_signal_is_named(laboratory: Any) -> None:
    with pytest.raises(Interrupted) as stopped:
        laboratory.run(None, StopAt(6, signal.SIGTERM))
    assert stopped.value.exit_code == 143


def test_lost_best_checkpoint_between_two_writes_is_made_again(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`last` is written before `best`: after a crash between the two, `best` is behind the state to go on from."""
    config = laboratory.config("blobs", {"train.checkpoint_every": {"steps": 5}})  # every epoch, without delay
    save = RunDirectory.save_checkpoint

    def crash(self: RunDirectory, kind: Any, checkpoint: Any) -> None:
        if kind == "best" and checkpoint.state.epoch == 3:
            raise ZeroDivisionError  # any bug
        save(self, kind, checkpoint)

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(RunDirectory, "save_checkpoint", crash)
        laboratory.run(config, None, "crashed")
    run = RunDirectory(laboratory.out / "tiny" / "crashed")
    assert run.status()["status"] == "crashed"
    assert run.checkpoint("last").state.best_epoch == 3 > run.checkpoint("best").state.best_epoch
    resume_run(run, Quiet())
    assert_equal(run, laboratory.run(config))


# What may change between the two halves of a run


def test_more_epochs_extend_a_finished_run(laboratory: Any) -> None:
    longer = laboratory.config("blobs", {"train.epochs": 6})
    run = laboratory.run(laboratory.config())
    assert resumable_run(laboratory.out, longer) == run
    resume_run(run, Quiet(), longer)
    assert len(run.history()) == 6
    assert run.config() == longer
    assert_equal(run, laboratory.run(longer))


PATIENT = {"train.early_stopping": {"patience": 3}, "train.best": "valid.accuracy"}


@pytest.mark.parametrize(
    "changes",
    [{}, PATIENT, {"data.split.valid": 0}, {"train.ema": 0.9}],
    ids=["plain", "watched", "no valid split", "average"],
)
@pytest.mark.parametrize("engine", ["torch", "scratch"])
@pytest.mark.parametrize("ends", [(3, 13), (7, 10), (5, 13), (12, 14, 20)], ids=str)
def test_more_steps_extend_a_finished_run_in_the_middle_of_its_epoch(
    laboratory: Any, ends: tuple[int, ...], engine: str, changes: dict[str, Any]
) -> None:
    first, *others = (laboratory.config("blobs", {**changes, "engine": engine, "train.max_steps": end}) for end in ends)
    run = laboratory.run(first)
    for longer in others:
        assert resumable_run(laboratory.out, longer) == run
        resume_run(run, Quiet(), longer)
    assert run.checkpoint("last").state.step == len(run.step_losses()) == ends[-1]
    assert [record.step for record in run.history()] == [*range(5, ends[-1], 5), ends[-1]]
    assert_equal(run, laboratory.run(others[-1]))


def test_run_without_a_last_step_goes_on_for_all_its_epochs(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {"train.max_steps": 7}))
    assert run.status()["epochs"] == len(run.history()) == 2
    with pytest.raises(RunError, match=r"nothing left to do.*after step 7; a larger train\.max_steps extends it"):
        resume_run(run, Quiet())
    resume_run(run, Quiet(), laboratory.config())
    assert_equal(run, laboratory.run())


def test_crash_after_an_epoch_that_was_cut_short_changes_nothing(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {"train.max_steps": 7}))
    before = remains(run)
    run.set_status("failed", reason="the disk was full while drawing")
    resume_run(run, Quiet())
    assert remains(run) == before


def test_fewer_steps_than_were_done_can_be_forced(laboratory: Any, stopped: RunDirectory) -> None:
    shorter = laboratory.config("blobs", {"train.max_steps": 6})
    with pytest.raises(UsageError, match=r"train\.max_steps: empty → 6"):
        resume_run(stopped, Quiet(), shorter)
    resume_run(stopped, Quiet(), shorter, force=True)
    assert [record.step for record in stopped.history()] == [5, 7]
    assert len(stopped.step_losses()) == 7


def test_nothing_left_to_do_is_said(laboratory: Any) -> None:
    run = laboratory.run()
    before = remains(run)
    with pytest.raises(RunError, match=r"nothing left to do.*epoch 4.*train\.epochs"):
        resume_run(run, Quiet())
    with pytest.raises(RunError, match=r"nothing to resume .* is finished"):
        resumable_run(laboratory.out, laboratory.config())
    assert remains(run) == before
    assert run.status()["status"] == "finished"


def test_more_epochs_do_not_undo_early_stopping_but_more_patience_does(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", EARLY))
    epochs = len(run.history())
    with pytest.raises(RunError, match="stopped early"):
        resume_run(run, Quiet(), laboratory.config("blobs", {**EARLY, "train.epochs": 90}))
    assert run.config().train.epochs == 60
    patient = laboratory.config("blobs", {**EARLY, "train.early_stopping": {"patience": 4}})
    resume_run(run, Quiet(), patient, force=True)
    assert len(run.history()) > epochs
    assert_equal(run, laboratory.run(patient))


@pytest.fixture
def stopped(laboratory: Any) -> RunDirectory:
    """A run that was interrupted in the middle of its second epoch."""
    with pytest.raises(Interrupted):
        laboratory.run(None, StopAt(7), "stopped")
    return RunDirectory(laboratory.out / "tiny" / "stopped")


def test_changed_options_are_refused_and_listed(laboratory: Any, stopped: RunDirectory) -> None:
    before = {path: path.read_bytes() for path in stopped.path.rglob("*.*") if path.is_file()}
    changed = laboratory.config("blobs", {"train.optimizer.lr": 0.02, "train.clip_norm": 1.0, "train.epochs": 9})
    with pytest.raises(UsageError) as refused:
        resume_run(stopped, Quiet(), changed)
    message = str(refused.value)
    assert "train.optimizer.lr: 0.05 → 0.02" in message
    assert "train.clip_norm" in message
    assert "train.epochs: 4 → 9" in message  # it has not finished: an override may have been forgotten
    assert "--force" in message
    assert {path: path.read_bytes() for path in before} == before


def test_fewer_epochs_are_a_change_like_any_other(laboratory: Any, stopped: RunDirectory) -> None:
    with pytest.raises(UsageError, match=r"train\.epochs: 4 → 3"):
        resume_run(stopped, Quiet(), laboratory.config("blobs", {"train.epochs": 3}))


FORCED: dict[str, dict[str, Any]] = {
    "rate": {"train.optimizer.lr": 0.02},
    "another optimizer": {"train.optimizer": "sgd"},
    "momentum": {"train.optimizer": {"name": "rmsprop", "momentum": 0.9}},
    "fewer epochs": {"train.epochs": 2},
    "loss": {"train.loss.label_smoothing": 0.1},
    "average": {"train.ema": 0.9},
}


@pytest.mark.parametrize("changes", FORCED.values(), ids=FORCED)
def test_force_goes_on_with_changed_options(laboratory: Any, stopped: RunDirectory, changes: dict[str, Any]) -> None:
    changed = laboratory.config("blobs", changes)
    resume_run(stopped, Quiet(), changed, force=True)
    assert stopped.config() == changed
    assert stopped.status()["status"] == "finished"
    assert len(stopped.history()) == changed.train.epochs
    assert len(stopped.step_losses()) == stopped.checkpoint("last").state.step


@pytest.mark.parametrize(
    "changes", [{"data.memory": 64}, {"data.cache": "off"}, {"data.cache_limit": 1.0}, {"train.workers": 0}], ids=str
)
def test_where_images_are_kept_is_free(laboratory: Any, changes: dict[str, Any]) -> None:
    """Pixels are the same, so a run goes on without --force, and what is scored then is its own result."""
    rng = np.random.default_rng(0)
    for name in "ab":
        (laboratory.folder / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            pixels.save(laboratory.folder / "photos" / name / f"{number}.png")
    data = {"name": "image_folder", "root": str(laboratory.folder / "photos"), "size": 8}
    photos = {"data": data, "train.batch_size": 8, "train.epochs": 2}
    with pytest.raises(Interrupted):
        laboratory.run(laboratory.config("blobs", photos), StopAt(5), "stopped")
    run = RunDirectory(laboratory.out / "tiny" / "stopped")
    resume_run(run, Quiet(), laboratory.config("blobs", {**photos, **changes}))
    assert_equal(run, laboratory.run(laboratory.config("blobs", photos)))
    back = [f"{key}={value}" for key, value in {"data.memory": 32, "data.cache": "auto", "train.workers": 1}.items()]
    assert load(run.path).with_overrides(back).publishes


def test_another_batch_size_is_refused_even_with_force(laboratory: Any, stopped: RunDirectory) -> None:
    with pytest.raises(UsageError, match=r"train\.batch_size cannot change within a run \(32 → 16\)"):
        resume_run(stopped, Quiet(), laboratory.config("blobs", {"train.batch_size": 16}), force=True)


def test_resuming_keeps_the_environment_of_the_start(laboratory: Any, stopped: RunDirectory) -> None:
    start = stopped.environment()
    assert start is not None
    resume_run(stopped, Quiet())
    now = stopped.environment()
    assert now is not None
    assert {key: now[key] for key in start} == start
    assert len(now["resumed"]) == 1


def test_forced_optimizer_with_other_state(laboratory: Any) -> None:
    with pytest.raises(Interrupted):
        laboratory.run(laboratory.config("blobs", {"train.optimizer": {"name": "rmsprop"}}), StopAt(7), "stopped")
    run = RunDirectory(laboratory.out / "tiny" / "stopped")
    resume_run(run, Quiet(), laboratory.config("blobs", {"train.optimizer": {"name": "adam"}}), force=True)
    assert any(key.endswith("exp_avg_sq") for key in run.checkpoint("last").optimizer)


def test_another_network_is_refused_even_with_force(laboratory: Any, stopped: RunDirectory) -> None:
    before = stopped.config()
    with pytest.raises(CheckpointError, match="weights are those of another model"):
        resume_run(stopped, Quiet(), laboratory.config("blobs", {"model.hidden": [9]}), force=True)
    assert stopped.config() == before


@pytest.mark.parametrize("changes", [{"data.std": 3.1}, {"data.split.valid": 0.2}, {"data.samples": 201}])
def test_changed_data_are_refused_even_with_force(
    laboratory: Any, stopped: RunDirectory, changes: dict[str, Any]
) -> None:
    before = stopped.config()
    with pytest.raises(RunError, match="the data changed"):
        resume_run(stopped, Quiet(), laboratory.config("blobs", changes), force=True)
    assert stopped.config() == before
    resume_run(stopped, Quiet())


def test_changed_data_file_is_refused(laboratory: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    file = tmp_path / "points.csv"
    rows = [f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}" for a, b in rng.normal(size=(120, 2))]
    file.write_text("\n".join(["a,b,label", *rows]))
    changes = {"data": {"name": "table", "root": str(file)}}
    with pytest.raises(Interrupted):
        laboratory.run(laboratory.config("blobs", changes), StopAt(4), "stopped")
    file.write_text("\n".join(["a,b,label", *rows[:-1], "9.0,9.0,no"]))
    with pytest.raises(RunError, match="the data changed"):
        resume_run(RunDirectory(laboratory.out / "tiny" / "stopped"), Quiet())


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(laboratory: Any) -> None:
    run = RunDirectory.create(laboratory.out, laboratory.config(), "empty")
    assert resumable_run(laboratory.out, laboratory.config()) == run
    listener = StopAt(-1)
    resume_run(run, listener)
    assert f"{run.path} ended before its first checkpoint, so it begins anew" in listener.said
    assert_equal(run, laboratory.run())


@pytest.mark.parametrize("left", ["manifest", "folder"])
def test_a_run_never_begins_anew_where_its_checkpoint_was_lost(stopped: RunDirectory, left: str) -> None:
    last = stopped.path / "checkpoints" / "last"
    if left == "folder":  # of the one before it, as a crash between two renames leaves it, without its manifest
        last.rename(last.with_name("last.old"))
    (last if left == "manifest" else last.with_name("last.old")).joinpath("manifest.json").unlink()
    with pytest.raises(CheckpointError, match=r"no last checkpoint|manifest\.json is missing"):
        resume_run(stopped, Quiet())


def test_a_run_whose_best_model_is_there_never_begins_anew(stopped: RunDirectory) -> None:
    shutil.rmtree(stopped.path / "checkpoints" / "last")
    best, history = stopped.checkpoint("best").state, stopped.history()
    with pytest.raises(CheckpointError, match="no last checkpoint"):
        resume_run(stopped, Quiet())
    assert (stopped.checkpoint("best").state, stopped.history()) == (best, history)


class Gone(Quiet):
    """Ends the run at its first step, before anything is saved."""

    def on_step(self, step: int) -> None:
        raise KeyboardInterrupt


def test_another_model_that_was_forced_goes_on_though_no_checkpoint_of_it_is_there_yet(
    laboratory: Any, stopped: RunDirectory
) -> None:
    for dropout in (0.1, 0.2):
        with pytest.raises(KeyboardInterrupt):
            resume_run(stopped, Gone(), laboratory.config("blobs", {"model.dropout": dropout}), force=True)
    assert stopped.checkpoint("last").state.step == 7
    resume_run(stopped, Quiet())
    assert stopped.status()["status"] == "finished"
    assert stopped.checkpoint("best").config.model.plain()["dropout"] == 0.2


@pytest.mark.parametrize("pieces", [3, ["4"], {"x": 2}, {"4": None}])
def test_pieces_that_are_no_numbers_are_refused(stopped: RunDirectory, pieces: Any) -> None:
    stopped.set_status("interrupted", pieces=pieces, models=5)
    with pytest.raises(RunError, match=r"status\.json: pieces must be numbers by step"):
        resume_run(stopped, Quiet())


def test_a_signal_while_a_run_that_may_go_on_is_read(
    laboratory: Any, stopped: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(config: ExperimentConfig) -> Any:
        raise KeyboardInterrupt

    finished = laboratory.run()
    stopped.set_status("failed")
    monkeypatch.setattr("clfkit.experiment.read_data", read)
    with pytest.raises(KeyboardInterrupt):
        resume_run(stopped, Quiet())
    with pytest.raises(KeyboardInterrupt):
        resume_run(finished, Quiet(), laboratory.config("blobs", {"train.epochs": 9}))
    assert (stopped.status()["status"], finished.status()["status"]) == ("interrupted", "finished")


def test_data_that_do_not_fit_into_memory_end_a_run_in_one_line(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(config: ExperimentConfig) -> Any:
        raise MemoryError("Unable to allocate 20. GiB")

    monkeypatch.setattr("clfkit.experiment.read_data", read)
    with pytest.raises(TrainingError, match=r"out of memory: Unable to allocate 20\. GiB; fewer samples"):
        laboratory.run()


def test_a_run_of_another_experiment_is_named(laboratory: Any, stopped: RunDirectory) -> None:
    with pytest.raises(UsageError, match="is a run of the experiment 'tiny', not of 'other'"):
        resume_run(stopped, Quiet(), laboratory.config("blobs", {"name": "other"}))


def test_a_finished_run_never_begins_anew(laboratory: Any) -> None:
    run = laboratory.run()
    shutil.rmtree(run.path / "checkpoints" / "last")
    with pytest.raises(CheckpointError, match="no last checkpoint"):
        resume_run(run, Quiet(), laboratory.config("blobs", {"train.epochs": 9}))


def test_a_run_that_was_trained_never_begins_anew(laboratory: Any) -> None:
    run = laboratory.run()
    run.set_status("interrupted")  # while it was scored or drawn
    shutil.rmtree(run.path / "checkpoints" / "last")
    with pytest.raises(CheckpointError, match="no last checkpoint"):
        resume_run(run, Quiet())


def test_a_damaged_best_model_is_written_again_though_nothing_is_left_to_train(laboratory: Any) -> None:
    run = laboratory.run()
    run.set_status("interrupted")  # while it was scored or drawn
    (run.path / "checkpoints" / "best" / "model.safetensors").write_bytes(b"torn")
    resume_run(run, Quiet())
    assert run.status()["status"] == "finished"
    assert_equal(run, laboratory.run())


def test_damaged_checkpoint_is_refused(stopped: RunDirectory) -> None:
    weights = stopped.path / "checkpoints" / "last" / "optimizer.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"optimizer\.safetensors is damaged"):
        resume_run(stopped, Quiet())


def test_run_in_use_is_refused(stopped: RunDirectory) -> None:
    with stopped.lock(), pytest.raises(RunError, match="in use"):
        resume_run(stopped, Quiet())


# The real program, ended by real signals

PLUGIN = '''
import os, signal
from clfkit.components import schedules
from clfkit.schedules import Progress, Schedule

@schedules.register("ambush")
def ambush() -> Schedule:
    """Constant; ends its own process at the step that the environment names."""
    def factor(progress: Progress) -> float:
        if progress.step == int(os.environ.get("AMBUSH_STEP", "-1")):
            os.kill(os.getpid(), int(os.environ["AMBUSH_SIGNAL"]))
        return 1.0
    return factor
'''


def clfkit(*arguments: object, cwd: Path, step: int = -1, number: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command line; it signals itself when the optimizer step `step` begins."""
    environment = {**os.environ, "AMBUSH_STEP": str(step), "AMBUSH_SIGNAL": str(int(number))}
    command = [sys.executable, "-m", "clfkit", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def ambushed(tmp_path_factory: pytest.TempPathFactory, tiny_text: str) -> Path:
    """A folder with an experiment, its plugin, and the run of it that nobody interrupted."""
    folder = tmp_path_factory.mktemp("ambush")
    (folder / "ambush.py").write_text(PLUGIN)
    text = tiny_text.replace("threads: 1", "threads: 1, schedule: ambush, checkpoint_every: {steps: 4}")
    (folder / "tiny.yaml").write_text(text)
    done = clfkit("train", "tiny.yaml", "--plugin", "ambush.py", "--out", "out", "--run-id", "whole", cwd=folder)
    assert done.returncode == 0, done.stderr
    load_plugin(folder / "ambush.py")
    return folder


def ambush(folder: Path, run_id: str, step: int, number: int) -> tuple[subprocess.CompletedProcess[str], RunDirectory]:
    arguments = ("train", "tiny.yaml", "--plugin", "ambush.py", "--out", "out", "--run-id", run_id)
    done = clfkit(*arguments, cwd=folder, step=step, number=number)
    return done, RunDirectory(folder / "out" / "tiny" / run_id)


def test_interrupted_program_says_how_to_go_on_and_does(ambushed: Path) -> None:
    done, run = ambush(ambushed, "int", step=6, number=signal.SIGINT)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert run.checkpoint("last").state.step == 7
    command = next(line for line in done.stderr.splitlines() if "--resume" in line).split()
    assert command == ["clfkit", "train", "--resume", "out/tiny/int", "--plugin", "ambush.py"]
    resumed = clfkit(*command[1:], cwd=ambushed)
    assert resumed.returncode == 0, resumed.stderr
    assert_equal(run, RunDirectory(ambushed / "out" / "tiny" / "whole"))


def test_terminated_program_keeps_its_checkpoint(ambushed: Path) -> None:
    done, run = ambush(ambushed, "term", step=11, number=signal.SIGTERM)
    assert done.returncode == 143, done.stderr
    assert json.loads((run.path / "status.json").read_text())["status"] == "interrupted"
    resume_run(run, Quiet())
    assert_equal(run, RunDirectory(ambushed / "out" / "tiny" / "whole"))


def test_killed_program_goes_on_from_its_last_checkpoint(ambushed: Path) -> None:
    done, run = ambush(ambushed, "kill", step=8, number=signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL
    assert run.status()["status"] == "crashed"
    assert run.checkpoint("last").state.step == 8
    resume_run(run, Quiet())
    assert_equal(run, RunDirectory(ambushed / "out" / "tiny" / "whole"))


def test_results_of_another_best_epoch_go_before_it_is_replaced(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {"train.epochs": 1}))
    before, scores = run.checkpoint("best").state.best_epoch, run.evaluation("test")
    longer = laboratory.config("blobs", {"train.epochs": 8})
    with pytest.raises(Interrupted):
        resume_run(run, StopAt(7), longer)  # within the second epoch: the first is still the best
    assert run.evaluation("test") == scores and run.status()["best_epoch"] == before
    with pytest.raises(Interrupted):
        resume_run(run, StopAt(31))
    assert run.checkpoint("best").state.best_epoch > before
    assert run.evaluation("test") is None and run.predictions("test") is None
    assert not {"best_epoch", "test.accuracy", "valid.accuracy"} & run.status().keys()
    assert run.status()["status"] == "interrupted"
    resume_run(run, Quiet())
    assert run.evaluation("test") is not None and "test.accuracy" in run.status()


def test_no_result_is_of_other_weights_when_the_best_checkpoint_cannot_be_written(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = laboratory.run(laboratory.config("blobs", {"train.epochs": 1}))
    before, save = (run.path / "checkpoints/best/model.safetensors").read_bytes(), RunDirectory.save_checkpoint

    def fail(self: RunDirectory, kind: Any, checkpoint: Any) -> None:
        if kind == "best":
            raise RunError("the machine has gone")
        save(self, kind, checkpoint)

    monkeypatch.setattr(RunDirectory, "save_checkpoint", fail)
    with pytest.raises(RunError, match="the machine has gone"):
        resume_run(run, Quiet(), laboratory.config("blobs", {"train.epochs": 8}))
    assert (run.path / "checkpoints/best/model.safetensors").read_bytes() == before
    assert run.evaluation("test") is None
