"""What a run leaves behind, and that it follows from its config alone."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import clfkit
from clfkit.errors import ConfigError, RunError, TrainingError, UsageError
from clfkit.experiment import resume_run, run_experiment
from clfkit.history import TrainState
from clfkit.progress import Quiet
from clfkit.resuming import resumable_run, stage
from clfkit.run import RunDirectory
from clfkit.world import World


def weights(run: RunDirectory, kind: str = "last") -> bytes:
    return (run.path / "checkpoints" / kind / "model.safetensors").read_bytes()


def test_run_leaves_what_the_documentation_lists(finished_run: RunDirectory) -> None:
    names = {path.relative_to(finished_run.path).as_posix() for path in finished_run.path.rglob("*") if path.is_file()}
    assert names >= {
        "config.yaml", "environment.json", "history.jsonl", "metrics.csv", "status.json", "steps.f32",
        "evaluation/valid.json", "evaluation/test.json", "predictions/valid.npz", "predictions/test.npz",
        "checkpoints/last/optimizer.safetensors", "checkpoints/best/model.safetensors",
        "checkpoints/initial/model.safetensors",
    }  # fmt: skip
    assert "checkpoints/best/optimizer.safetensors" not in names
    assert not any(".tmp" in name or ".new" in name or ".old" in name for name in names)
    assert len(finished_run.history()) == 4
    assert len(finished_run.step_losses()) == 20
    status = finished_run.status()
    assert status["status"] == "finished" and 1 <= status["best_epoch"] <= 4
    assert status["test.accuracy"] == finished_run.metrics()["accuracy"]
    environment = json.loads((finished_run.path / "environment.json").read_text())
    assert environment["clfkit"] == clfkit.__version__
    assert environment["libraries"]["torch"].startswith(torch.__version__.split("+")[0])
    assert environment["decisions"]["device"] == "cpu"


def test_checkpoint_of_the_best_epoch_has_its_record(finished_run: RunDirectory) -> None:
    best = finished_run.checkpoint("best")
    assert best.state.epoch == best.state.best_epoch == best.records[-1].epoch
    losses = [record.valid_loss for record in finished_run.history()]
    assert best.state.best_epoch == int(np.argmin(losses)) + 1  # type: ignore[arg-type]
    assert best.class_counts == finished_run.checkpoint("last").class_counts
    assert sum(best.class_counts) == 140


def test_same_config_gives_the_same_run_and_another_seed_another(laboratory: Any, finished_run: RunDirectory) -> None:
    again = laboratory.run()
    assert weights(again) == weights(finished_run)
    assert weights(again, "best") == weights(finished_run, "best")
    assert again.step_losses().tobytes() == finished_run.step_losses().tobytes()
    other = laboratory.run(laboratory.config("blobs", {"seed": 8, "data.seed": 7}))
    assert other.checkpoint("last").fingerprint == again.checkpoint("last").fingerprint
    assert weights(other) != weights(again)
    assert weights(other, "initial") != weights(again, "initial")


def test_global_random_states_are_left_alone(laboratory: Any) -> None:
    torch.manual_seed(3)
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr, index]  # noqa: NPY002
    laboratory.run()
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == legacy).all()  # type: ignore[index]  # noqa: NPY002


def test_weights_do_not_depend_on_how_often_checkpoints_are_written(
    laboratory: Any, finished_run: RunDirectory
) -> None:
    for every in ({"steps": 1}, {"steps": 7}, {"epochs": 4}):
        run = laboratory.run(laboratory.config("blobs", {"train.checkpoint_every": every}))
        assert weights(run) == weights(finished_run)
        assert run.step_losses().tobytes() == finished_run.step_losses().tobytes()


def test_pieces_and_threads_do_not_change_the_result_beyond_rounding(
    laboratory: Any, finished_run: RunDirectory
) -> None:
    """Dropout draws other masks for other pieces, so this is without it."""
    plain = laboratory.run(laboratory.config("blobs", {"model.dropout": 0.0})).checkpoint("last").model
    cut = laboratory.run(laboratory.config("blobs", {"model.dropout": 0.0, "train.accumulate": 4}))
    for name, array in cut.checkpoint("last").model.items():
        np.testing.assert_allclose(array, plain[name], atol=1e-4)


def test_diverging_run_keeps_its_last_good_checkpoint(laboratory: Any) -> None:
    """The rate explodes after the first epoch."""
    changes = {"train.optimizer": {"name": "sgd", "lr": 0.1}, "train.schedule": {"name": "exponential", "gamma": 1.0}}
    good = laboratory.run(laboratory.config("blobs", {**changes, "train.epochs": 1}))
    assert good.status()["status"] == "finished"
    config = laboratory.config("blobs", {"train.optimizer": {"name": "sgd", "lr": 1e30}})
    with pytest.raises(
        TrainingError, match=r"loss became .* at step \d+ \(epoch 1, learning rate 1e\+30, samples .* and 24 more\)"
    ):
        laboratory.run(config, None, "bad")
    run = RunDirectory(laboratory.out / "tiny" / "bad")
    assert run.status()["status"] == "failed"
    assert run.checkpoint_path("last") is None


def test_listener_hears_of_every_step_and_epoch(laboratory: Any) -> None:
    class Diary(Quiet):
        def __init__(self) -> None:
            self.entries: list[Any] = []

        def say(self, message: str) -> None:
            self.entries.append(message)

        def on_start(self, state: TrainState, steps: int, epochs: int, log_every: int) -> None:
            self.entries.append(("start", state.step, steps, epochs))

        def on_step(self, step: int) -> None:
            self.entries.append(step)

        def on_epoch_end(self, record: Any, best: bool) -> None:
            self.entries.append(("epoch", record.epoch))

        def on_stop(self) -> None:
            self.entries.append("stop")

    diary = Diary()
    laboratory.run(laboratory.config("blobs", {"train.epochs": 2}), diary)
    told = diary.entries
    assert told[0] == "tiny: 140 train, 20 valid, 40 test samples of 3 classes"
    assert told[1] == "mlp with 51 trainable parameters"
    assert told[2] == "engine torch, device cpu, precision fp32, threads 1, samples resident"
    assert told[3:] == [("start", 0, 10, 2), 1, 2, 3, 4, 5, ("epoch", 1), 6, 7, 8, 9, 10, ("epoch", 2), "stop"]


@pytest.mark.parametrize(("sampling", "named"), [("natural", True), ("balanced", False)])
def test_unbalanced_classes_and_classes_without_samples_are_told(
    laboratory: Any, tmp_path: Path, sampling: str, named: bool
) -> None:
    rows = [f"{i / 10},{'abc'[min(i // 20, 2)]},{'test' if i % 20 == 0 and i < 40 else 'train'}" for i in range(44)]
    (tmp_path / "table.csv").write_text("\n".join(["x,y,part", *rows]) + "\n")
    data = {"name": "table", "root": str(tmp_path / "table.csv"), "label": "y", "split_column": "part"}
    said: list[str] = []

    class Listening(Quiet):
        def say(self, message: str) -> None:
            said.append(message)

    changes = {"data": {**data, "split": {"valid": 0}}, "train.epochs": 1, "train.sampling": sampling}
    laboratory.run(laboratory.config("blobs", changes), Listening())
    (unbalanced,) = [line for line in said if line.startswith("classes are unbalanced: 19 train samples")]
    assert ("train.sampling or train.loss.class_weights" in unbalanced) == named
    assert [line for line in said if "sample, such as" in line] == ["note: 1 class has no test sample, such as 'c'"]


def test_a_run_that_is_stopped_while_figures_are_drawn_draws_them_when_resumed(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("clfkit.drawing.draw_all", stop)
        laboratory.run(laboratory.config("blobs", {"plots": ("curves",)}), None, "figures")
    run = RunDirectory(laboratory.out / "tiny" / "figures")
    assert (run.status()["status"], run.plots()) == ("interrupted", [])
    resume_run(run, Quiet())
    assert (run.status()["status"], run.plots()) == ("finished", ["curves"])
    monkeypatch.setattr("clfkit.experiment.evaluate_held_out", stop)
    with pytest.raises(KeyboardInterrupt):
        laboratory.run(laboratory.config("blobs"), None, "scores")
    run = RunDirectory(laboratory.out / "tiny" / "scores")
    assert (run.status()["status"], stage(run)) == ("interrupted", "evaluation interrupted")


@pytest.fixture
def hearing(monkeypatch: pytest.MonkeyPatch) -> tuple[Quiet, list[str]]:
    """A listener, and what it is told."""
    listener, said = Quiet(), list[str]()
    monkeypatch.setattr(listener, "say", said.append)
    return listener, said


def failing(monkeypatch: pytest.MonkeyPatch, where: str, error: Exception, only: str) -> None:
    """Let a function fail where `only` stands in its first argument."""
    module, _, name = where.rpartition(".")
    whole = getattr(importlib.import_module(module), name)

    def fail(*arguments: Any, **more: Any) -> Any:
        if any(only in str(argument) for argument in arguments):
            raise error
        return whole(*arguments, **more)

    monkeypatch.setattr(where, fail)


@pytest.mark.parametrize(
    ("where", "error", "reason"),
    [
        ("clfkit.plots.save", RunError("the disk is full"), "the disk is full"),
        ("clfkit.plots.draw", MemoryError(), "out of memory"),
    ],
)
def test_a_figure_that_fails_costs_nothing_else(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, hearing: Any, where: str, error: Exception, reason: str
) -> None:
    failing(monkeypatch, where, error, "curves")
    listener, said = hearing
    run = laboratory.run(laboratory.config("blobs", {"plots": ("curves", "confusion")}), listener, "a")
    assert (run.status()["status"], run.plots()) == ("finished", ["confusion"])
    assert (run.path / "report.html").is_file()
    (note,) = (line for line in said if line.startswith("note: no figure"))
    assert note == f"note: no figure 'curves': {reason}; try again with `clfkit plot curves {run.path}`"


def test_a_bug_in_a_figure_is_raised_when_the_rest_is_done(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, hearing: Any
) -> None:
    failing(monkeypatch, "clfkit.plots.draw", ValueError("operands could not be broadcast"), "curves")
    listener, said = hearing
    with pytest.raises(ValueError, match="operands could not be broadcast") as raised:
        laboratory.run(laboratory.config("blobs", {"plots": ("curves", "confusion")}), listener, "a")
    assert raised.traceback[-1].name == "fail"
    run = RunDirectory(laboratory.out / "tiny" / "a")
    assert (run.status()["status"], run.plots()) == ("finished", ["confusion"])
    assert "drawing" in run.status()["timing"]
    assert (run.path / "report.html").is_file()
    assert any("no figure 'curves': a bug (ValueError: operands could not" in line for line in said)


def test_a_report_that_fails_leaves_a_finished_run(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, hearing: Any
) -> None:
    listener, said = hearing
    failing(monkeypatch, "clfkit.experiment.write_report", RunError("cannot write report.html: No space left"), "")
    run = laboratory.run(None, listener, "full")
    assert run.status()["status"] == "finished"
    assert f"cannot write report.html: No space left; try again with `clfkit report {run.path}`" in said[-1]
    failing(monkeypatch, "clfkit.experiment.write_report", KeyError("gone"), "")
    with pytest.raises(KeyError, match="gone"):
        laboratory.run(None, listener, "bug")
    assert RunDirectory(laboratory.out / "tiny" / "bug").status()["status"] == "finished"


def test_the_report_at_the_end_of_a_run_is_of_a_finished_one_and_tells_how_long_figures_took(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {"plots": ("curves",)}))
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "</i>Figures</dt>" in page
    assert "shows what there is" not in page
    assert run.status()["timing"]["report"] > 0


def test_an_animation_is_drawn_at_the_end_unless_nobody_asked_and_it_takes_long(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    listener = Quiet()
    monkeypatch.setattr(listener, "say", said.append)
    monkeypatch.setattr("clfkit.drawing.PATIENCE", 0.0)
    drawn = {}
    for run_id, plots in (("auto", "auto"), ("asked", ("animation",))):
        changes = {"train.snapshots": {}, "plots": plots}
        drawn[run_id] = laboratory.run(laboratory.config("blobs", changes), listener, run_id)
    assert "animation" not in drawn["auto"].plots() and "boundary" in drawn["auto"].plots()
    (line,) = (line for line in said if line.startswith("no figure"))
    assert line.endswith(f"seconds: clfkit plot animation {drawn['auto'].path}")
    assert {path.name for path in (drawn["asked"].path / "plots").iterdir()} == {"animation.gif", "animation.html"}


def test_what_was_drawn_is_told_and_how_to_choose_where_nobody_did(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, hearing: Any
) -> None:
    monkeypatch.setattr("clfkit.drawing.WORTH_A_WORD", 0.0)
    listener, said = hearing
    told = []
    for run_id, plots in (("auto", "auto"), ("asked", ("curves", "recall"))):
        changes = {"plots": plots, "engine": "scratch", "train.epochs": 1, "report": False, "baselines": ()}
        run = laboratory.run(laboratory.config("blobs", changes), listener, run_id)
        told.append(next(line for line in said if line.startswith("drew")))
        assert told[-1].partition(" in ")[0] == f"drew {', '.join(run.plots())}"  # and no figure that is not there
        said.clear()
    assert told[0].endswith(" s; `plots: [boundary]` in the config draws that alone, `plots: []` none")
    assert told[1].startswith("drew curves in ") and "`plots" not in told[1]


def test_waiting_for_trackers_is_a_part_of_the_time(laboratory: Any) -> None:
    changes = {"engine": "scratch", "track": "tensorboard", "report": False}
    run = laboratory.run(laboratory.config("blobs", changes))
    assert (run.status()["status"], run.status()["timing"]["trackers"] > 0) == ("finished", True)


def paper(folder: Path, border: int, side: int = 8) -> dict[str, Any]:
    """40 images of two classes, marks on paper of one colour; the options of their dataset."""
    for at in range(40):
        image = np.full((side, side), border, np.uint8)
        image[2:5, 2:5] = 6 * at
        (folder / "ab"[at % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "ab"[at % 2] / f"{at}.png")
    return {"name": "image_folder", "root": str(folder), "size": side, "channels": 1, "cache": "off", "seed": 1}


@pytest.mark.parametrize(("border", "fill", "noted"), [(255, 0, True), (255, 255, False), (60, 0, False)])
def test_a_fill_unlike_the_borders_of_images_is_noted(
    laboratory: Any, hearing: Any, tmp_path: Path, border: int, fill: int, noted: bool
) -> None:
    listener, said = hearing
    changes = {"data": paper(tmp_path / "paper", border), "train.epochs": 1, "baselines": (), "report": False}
    laboratory.run(
        laboratory.config("digits", {**changes, "train.augment": {"name": "affine", "fill": fill}}), listener
    )
    start = f"note: train.augment.0: fill {fill} is what comes into view, and most train images are near {border} "
    assert any(line.startswith(start) for line in said) == noted


def test_memory_beyond_which_images_are_files_is_named_on_resume(laboratory: Any, tmp_path: Path) -> None:
    data = paper(tmp_path / "paper", 255, 200)  # 1.6 MB in all
    changes = {"data": data, "train.epochs": 1, "baselines": (), "report": False, "model": "logistic"}
    run = laboratory.run(laboratory.config("digits", changes))
    smaller = {**changes, "data": {**data, "memory": 1}, "train.epochs": 2}
    with pytest.raises(RunError, match=r"^data\.memory was 2048 and is 1: .* leave it at 2048$"):
        resume_run(run, Quiet(), laboratory.config("digits", smaller))


@pytest.mark.parametrize(
    ("schedule", "note"),
    [
        ("one_cycle", "the learning rate was 2e-07 and goes on at 0.019"),
        ("cosine", "the learning rate was 0.00031 and goes on at 0.013"),
        ("exponential", None),
        ("plateau", None),
    ],
)
def test_a_schedule_that_is_stretched_is_told(laboratory: Any, hearing: Any, schedule: str, note: str | None) -> None:
    listener, said = hearing
    changes = {"engine": "scratch", "train.schedule": schedule, "report": False, "baselines": ()}
    run = laboratory.run(laboratory.config("blobs", changes), listener)
    assert not any("train.schedule" in line for line in said)
    resume_run(run, listener, laboratory.config("blobs", {**changes, "train.epochs": 6}))
    found = [line for line in said if line.startswith("note: train.schedule")]
    start = f"note: train.schedule {schedule} spans the whole run, which is longer now: "
    assert found == ([start + note] if note else [])


def test_latest_unfinished_run_is_the_one_to_resume(laboratory: Any) -> None:
    config = laboratory.config()
    with pytest.raises(RunError, match="nothing to resume"):
        resumable_run(laboratory.out, config)
    runs = [laboratory.run(config, None, name) for name in ("a", "b")]
    runs[0].set_status("failed")
    assert resumable_run(laboratory.out, config) == runs[0]
    runs[1].set_status("interrupted")
    assert resumable_run(laboratory.out, config).id in ("a", "b")
    RunDirectory.create(laboratory.out, config, "c")  # has no checkpoint yet
    assert resumable_run(laboratory.out, config).id != "c"


def test_train_from_python(laboratory: Any, finished_run: RunDirectory) -> None:
    run = clfkit.train(laboratory.file(), {"train.epochs": 2}, out=laboratory.out, run_id="mine")
    assert run.path == laboratory.out / "tiny" / "mine"
    assert len(run.history()) == 2
    with pytest.raises(ConfigError, match=r"train\.epochs"):
        clfkit.train(laboratory.file(), {"train.epochs": 0}, out=laboratory.out)
    with pytest.raises(RunError, match="exists already"):
        clfkit.train(laboratory.file(), out=laboratory.out, run_id="mine")


def test_the_best_epoch_is_scored_not_the_last(laboratory: Any) -> None:
    """Twelve epochs at a rate that overshoots: the last epoch is not the best one."""
    changes = {"train.epochs": 12, "train.optimizer.lr": 1.0, "model.dropout": 0.0}
    run = laboratory.run(laboratory.config("blobs", changes))
    best, last = run.checkpoint("best"), run.history()[-1]
    assert best.state.best_epoch < 12
    assert run.metrics("valid")["loss"] == pytest.approx(best.records[-1].valid_loss, rel=1e-6)
    assert run.metrics("valid")["loss"] != pytest.approx(last.valid_loss, rel=1e-3)


def test_without_held_out_splits_the_train_split_is_scored(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {"data.split": {"valid": 0, "test": 0}}))
    assert run.evaluation("test") is None
    assert 0 < run.metrics("train")["accuracy"] <= 1


def test_old_results_do_not_outlive_their_weights(laboratory: Any) -> None:
    run = laboratory.run()
    run.save_evaluation("train", {"metrics": {"accuracy": 0.0}})
    resume_run(run, Quiet(), laboratory.config("blobs", {"train.epochs": 5}))
    assert run.evaluation("train") is None
    assert run.evaluation("test") is not None


def test_watching_a_valid_split_that_the_files_do_not_bring(laboratory: Any) -> None:
    table = laboratory.folder / "points.csv"
    table.write_text("a,label\n" + "".join(f"{i},{'no' if i < 20 else 'yes'}\n" for i in range(40)))
    data = {"name": "table", "root": str(table), "split": {"valid": 0}}
    changes = {"data": data, "train.early_stopping": {"patience": 1}}
    with pytest.raises(UsageError, match=r"train\.early_stopping: needs a valid split"):
        laboratory.run(laboratory.config("blobs", changes))


@pytest.mark.parametrize(("text", "said"), [("Unable to allocate 9 TiB", ": Unable to allocate 9 TiB;"), ("", ";")])
def test_lack_of_memory_in_a_step_is_an_expected_error(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    def greedy(*arguments: object) -> None:
        raise MemoryError(text)

    monkeypatch.setattr("clfkit.engines.scratch.engine.ScratchEngine.train_step", greedy)
    with pytest.raises(TrainingError, match=rf"^out of memory{said} a smaller train\.batch_size"):
        laboratory.run(laboratory.config("blobs", {"engine": "scratch"}), run_id="a")
    assert RunDirectory.open(laboratory.out / "tiny" / "a").status()["status"] == "failed"


def test_what_may_be_meant_so_is_said_at_the_start(laboratory: Any) -> None:
    said: list[str] = []

    class Listening(Quiet):
        def say(self, message: str) -> None:
            said.append(message)

    backbone = {"name": "conv", "channels": (2,)}
    model = {"name": "custom_head", "backbone": backbone, "freeze": True, "unfreeze_at": 50}
    laboratory.run(laboratory.config("digits", {"model": model, "train.epochs": 1}), Listening())
    assert [line.partition(" starts")[0] for line in said if line.startswith("note: ")] == [
        "note: model.freeze: backbone 'conv'",
        "note: model.unfreeze_at: epoch 50 is never reached; the backbone stays frozen for the only epoch",
    ]


def test_what_several_processes_cannot_do_is_said_before_data_is_read(laboratory: Any) -> None:
    class Pair(World):
        size = 2

    absent = {"data": {"name": "table", "root": "/nowhere.csv"}}
    for changes, message in (
        ({"engine": "scratch"}, "engine: 'scratch' trains in one process"),
        ({"train.batch_size": "auto"}, "train.batch_size: `auto` is measured by one process"),
    ):
        config = laboratory.config("blobs", {**absent, **changes})
        run = RunDirectory.create(laboratory.out, config, None)
        with pytest.raises(UsageError, match=message):
            run_experiment(run, config, Quiet(), world=Pair())
