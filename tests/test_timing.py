"""The stopwatch of a run."""

from __future__ import annotations

import subprocess
import sys
import time
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from clfkit.comparing.runs import find_runs
from clfkit.experiment import resume_run
from clfkit.history import EpochRecord
from clfkit.progress import Quiet
from clfkit.report import sections
from clfkit.report.material import Material
from clfkit.run import RunDirectory
from clfkit.timing import FirstStep, Pace, Stopwatch, in_words, training_seconds


def record(seconds: float) -> EpochRecord:
    """An epoch that took so long."""
    values = {"epoch": 1, "step": 1, "lr": 0.1, "train.loss": 1.0, "train.accuracy": 0.5, "seconds": seconds}
    return EpochRecord.model_validate(values)


def test_parts_follow_one_another_and_start_is_what_came_before() -> None:
    began = time.monotonic() - 2.0
    clock = Stopwatch(began)
    with clock.part("training"):
        time.sleep(0.02)
    with clock.part("evaluation"):
        pass
    assert list(clock.seconds) == ["start", "training", "evaluation"]
    assert 2.0 <= clock.seconds["start"] < 3.0
    assert 0.02 <= clock.seconds["training"] < 1.0
    assert sum(clock.seconds.values()) <= time.monotonic() - began


def test_part_that_fails_is_measured_too() -> None:
    clock = Stopwatch()
    with pytest.raises(ValueError, match="bad"), clock.part("training"):
        raise ValueError("bad")
    assert "training" in clock.seconds


def test_first_step_is_marked_once_and_every_step_passed_on() -> None:
    seen: list[int] = []

    class Watching(Quiet):
        def on_step(self, step: int) -> None:
            seen.append(step)

    clock = Stopwatch()
    observer = FirstStep(Watching(), clock)
    observer.on_step(1)
    marked = clock.seconds["first_step"]
    time.sleep(0.01)
    observer.on_step(2)
    assert seen == [1, 2]
    assert clock.seconds["first_step"] == marked


def test_run_remembers_where_its_seconds_went(finished_run: RunDirectory) -> None:
    timing = finished_run.status()["timing"]
    assert list(timing) == ["start", "first_step", "training", "evaluation", "drawing", "report"]
    assert 0 < timing["start"] < timing["first_step"] < timing["start"] + timing["training"] + 0.001
    assert sum(record.seconds for record in finished_run.history()) <= timing["training"]


def test_sessions_of_a_run_add_up_and_report_and_comparison_say_the_same(laboratory: Any) -> None:
    run = laboratory.run(laboratory.config("blobs", {"engine": "scratch", "report": False}))
    earlier = {"start": 10.0, "first_step": 11.0, "training": 1000.0, "evaluation": 20.0, "drawing": 30.0}
    run.set_status("finished", timing=earlier)
    resume_run(run, Quiet(), laboratory.config("blobs", {"engine": "scratch", "report": False, "train.epochs": 6}))
    timing = run.status()["timing"]
    assert timing["first_step"] < 10.0 < timing["start"] < 20.0
    assert 1000.0 < timing["training"] < 1010.0 and 20.0 < timing["evaluation"] < 30.0
    (compared, _) = find_runs([str(run.path), str(laboratory.run(run_id="other").path)], laboratory.out).runs
    assert compared.costs["training, seconds"] == timing["training"]
    section = sections.timing(Material.of(run))
    assert dict(map(itemgetter(0, 1), section["parts"]))["training"] == "16 min 40 s"
    assert section["rate"] == f"{compared.costs['train samples a second']:,}"


def test_epochs_of_a_session_that_was_killed_count() -> None:
    records = [record(seconds=2.0), record(seconds=4.0), record(seconds=30.0)]
    assert training_seconds({}, records) == 36.0
    assert training_seconds({"training": 40.0}, records) == 40.0
    clock = Stopwatch()
    clock.after({"start": 1.0}, records)
    assert clock.rounded() == {"start": 1.0, "training": 36.0}
    assert Pace.of(records, 120) == Pace(epoch=4.0, samples=10.0)
    assert Pace.of([], 120) is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="elsewhere the start of a process is not known")
def test_start_of_a_process_is_known_though_it_was_not_asked() -> None:
    ask = "from clfkit.timing import process_start; print(time.monotonic() - process_start())"
    code = f"import time; time.sleep(0.3); {ask}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.29 <= float(done.stdout) < 10


def test_words_leave_out_what_was_not_reached() -> None:
    timing = {"start": 0.41, "first_step": 0.6, "training": 1.2, "evaluation": 0.1, "drawing": 0.4}
    assert in_words(timing) == "2.1 s: start 0.4, training 1.2, evaluation 0.1, figures 0.4"
    assert in_words({"drawing": 0.4, "report": 0.2}) == "0.6 s: figures 0.4, report 0.2"
    assert in_words({"start": 1.0, "training": 2.0}) == "3.0 s: start 1.0, training 2.0"
