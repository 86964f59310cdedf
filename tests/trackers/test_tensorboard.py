"""Event files, read by TensorBoard's own reader."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clfkit.errors import Interrupted
from clfkit.experiment import resume_run
from clfkit.progress import Quiet
from clfkit.run import RunDirectory
from import_probe import run_probed

accumulators = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="needs the extra tensorboard"
)
CHANGES = {"track": ["tensorboard"], "engine": "scratch", "train.best": "valid.macro_f1", "data.seed": 3}


def reader(run: RunDirectory) -> Any:
    """What TensorBoard sees of a run."""
    return accumulators.EventAccumulator(
        str(run.path), size_guidance={"scalars": 0, "images": 0, "tensors": 0}
    ).Reload()


def curves(found: Any) -> dict[str, list[tuple[int, float]]]:
    """The points of every curve."""
    return {tag: [(each.step, each.value) for each in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def expected(run: RunDirectory) -> dict[str, list[tuple[int, Any]]]:
    """What they should be, by the run's own files."""
    records = run.history()
    points: dict[str, list[tuple[int, Any]]] = {}
    for record in records:
        for name, value in record.cells().items():
            if name not in ("epoch", "step") and value is not None:
                points.setdefault(name, []).append((record.epoch, pytest.approx(value, rel=1e-6)))
    for name, value in run.metrics("test").items():
        if value is not None:
            points[f"test.{name}"] = [(len(records), pytest.approx(value, rel=1e-6))]
    return points


def test_curves_test_metrics_figures_and_config(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {**CHANGES, "plots": ["curves", "confusion"]}))
    found = reader(run)
    assert curves(found) == expected(run)
    assert {"train.loss", "valid.accuracy", "valid.macro_f1", "lr", "test.accuracy"} <= curves(found).keys()
    assert sorted(found.Tags()["images"]) == ["confusion", "curves"]
    (image,) = found.Images("curves")
    path = run.plot_path("curves", "png")
    assert image.encoded_image_string == path.read_bytes()
    with Image.open(path) as figure:
        assert (image.width, image.height) == figure.size
    (config,) = found.Tensors("config")
    (text,) = config.tensor_proto.string_val
    assert text.decode().replace("    ", "", 1).splitlines()[0] == "name: tiny"
    assert [line[4:] for line in text.decode().splitlines()] == (run.path / "config.yaml").read_text().splitlines()
    assert found.SummaryMetadata("config").plugin_data.plugin_name == "text"


class StopAt(Quiet):
    """Stops training after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, step: int) -> None:
        if step == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("stop", [3, 5, 12])
def test_a_run_that_goes_on_ends_as_one_that_never_stopped(laboratory: Any, stop: int) -> None:
    whole = laboratory.run(laboratory.config("blobs", CHANGES), None, "whole")
    with pytest.raises(Interrupted):
        laboratory.run(laboratory.config("blobs", CHANGES), StopAt(stop), "stopped")
    run = RunDirectory(laboratory.out / "tiny" / "stopped")
    watching = reader(run)  # a TensorBoard that is open all the time
    resume_run(run, Quiet())
    assert [path.stat().st_size > 0 for path in run.trackers.event_files()] == [False, True]
    for found in (curves(reader(run)), curves(watching.Reload())):
        assert {tag: points for tag, points in found.items() if tag != "seconds"} == {
            tag: points for tag, points in curves(reader(whole)).items() if tag != "seconds"
        }


def test_an_epoch_that_was_cut_short_gives_way_to_the_whole(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {**CHANGES, "train.max_steps": 12}))
    assert curves(reader(run)) == expected(run)
    resume_run(run, Quiet(), laboratory.config("blobs", {**CHANGES, "train.max_steps": 18}))
    assert [record.step for record in run.history()] == [5, 10, 15, 18]
    assert curves(reader(run)) == expected(run)


def test_a_kill_leaves_what_can_be_read_and_gone_on_from(laboratory: Any) -> None:
    """Half a record at the end."""
    with pytest.raises(Interrupted):
        laboratory.run(laboratory.config("blobs", CHANGES), StopAt(12), "killed")
    run = RunDirectory(laboratory.out / "tiny" / "killed")
    (path,) = run.trackers.event_files()
    path.write_bytes(path.read_bytes()[:-7])
    assert [step for step, _ in curves(reader(run))["train.loss"]] == [1]
    for _ in range(3):
        with pytest.raises(Interrupted):
            resume_run(run, StopAt(run.checkpoint("last").state.step + 1))
    resume_run(run, Quiet())
    assert curves(reader(run)) == expected(run)
    assert len(run.trackers.event_files()) == 2


def test_a_file_that_cannot_be_written_is_said(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Heard(Quiet):
        def __init__(self) -> None:
            self.said: list[str] = []

        def say(self, message: str) -> None:
            self.said.append(message)

    missing = laboratory.out / "no folder" / "events"
    monkeypatch.setattr("clfkit.tracker_files.TrackerFiles.new_event_file", lambda self: missing)
    run = laboratory.run(laboratory.config("blobs", CHANGES), heard := Heard())
    assert run.status()["status"] == "finished"
    assert [line for line in heard.said if "tensorboard" in line] == [
        f"note: the rest of this run is not tracked by tensorboard: cannot write {missing}: No such file or directory"
    ]


def test_neither_torch_nor_tensorflow_is_needed(tmp_path: Path) -> None:
    sets = ["track=[tensorboard]", "train.epochs=2", "plots=[]"]
    arguments = ["train", "configs/blobs.yaml", "--out", tmp_path, *(each for text in sets for each in ("--set", text))]
    done = run_probed(("torch", "tensorflow", "matplotlib"), *arguments, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "LOADED []"
