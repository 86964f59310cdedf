"""A signal in any phase: a checkpoint, the status `interrupted`, an exit code that tells it, and nobody left behind."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from programs import Ended, fresh
from trials import EXPERIMENTS, Trials

from clfkit.run import RunDirectory

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
STEP = "noting.<locals>.noted.<locals>.step"
PHASES: dict[str, tuple[dict[str, object], int | None]] = {
    "scanning": ({"at": "folders_in"}, None),
    "first step": ({"at": STEP}, 1),
    "training": ({"at": STEP, "times": 7}, 8),
    "validation": ({"at": "evaluation_batches"}, 5),
    "saving": ({"at": "os.rename */checkpoints/last.new", "times": 1}, 5),
    "plotting": ({"at": "Figure.savefig"}, 15),
    "idle": ({"at": "UnixFileLock._acquire", "times": 4}, None),
}
"""When the signal comes, and the step of the checkpoint that is there then: at most one step later than the signal.

Idle is a run that waits for another one, which decodes the same images into the same cache.
"""
SECONDS = 10
"""How long a checkpoint may take from the signal on, beside a step."""
IMAGES = tuple(name for name in EXPERIMENTS if "workers" in name)
EXTRA = {"plotting": ("--set", "plots=[curves]"), "idle": ("--set", "data.cache=kept")}


def signalled(trials: Trials, name: str, run_id: str, phase: str, ambush: dict[str, object]) -> Ended:
    """The run that a signal stops in that phase."""
    if phase != "idle":
        return trials.train(name, run_id, ambush, *EXTRA.get(phase, ()))
    if not (trials.path / "kept").exists():
        trials.train(name, "first", None, *EXTRA["idle"])
    (lock,) = trials.path.glob("kept/*/lock")
    with FileLock(lock):
        return trials.train(name, run_id, ambush, *EXTRA["idle"])


def cases() -> Iterator[object]:
    for place, (name, phase, number) in enumerate(itertools.product(IMAGES, PHASES, SIGNALS)):
        quick = name.startswith("scratch") and phase in ("scanning", "training", "validation")
        group = bool(place % 2)
        which = f"{name}, {phase}, {number.name} to the {'group' if group else 'process'}"
        yield pytest.param(
            name, phase, number, group, id=which, marks=() if quick and number == signal.SIGTERM else pytest.mark.matrix
        )


@pytest.mark.fault("C")
@pytest.mark.slow
@pytest.mark.parametrize(("name", "phase", "number", "group"), [*cases()])
def test_a_signal_is_obeyed_in_every_phase(
    trials: Trials, name: str, phase: str, number: signal.Signals, group: bool
) -> None:
    (ambush, step), run_id = PHASES[phase], f"{phase}-{number.name}".replace(" ", "-")
    clock = trials.path / f"{name} {run_id}.clock"
    how = {"signal": int(number), "whole_group": group, "clock": str(clock)}
    done = signalled(trials, name, run_id, phase, {**ambush, **how})
    run = trials.run(name, run_id)
    assert done.code == 128 + number, done.err
    assert not done.orphans
    assert run.status()["status"] == "interrupted"
    assert "Traceback" not in done.err and f"clfkit train --resume {shlex.quote(str(run.path))}" in done.err
    assert (run.checkpoint("last").state.step if run.checkpoint_path("last") else None) == step
    if phase == "validation":
        assert run.history() == (), "it was not left"
    if step is not None:
        written = (run.path / "checkpoints/last/manifest.json").stat().st_mtime
        assert written - clock.stat().st_mtime < SECONDS
    done = trials.train(name, run_id)
    assert (done.code, done.err) == (0, "")
    assert run.plots() == (["curves"] if phase == "plotting" else [])
    trials.assert_same(name, run_id)


@pytest.mark.fault("C")
@pytest.mark.slow
@pytest.mark.matrix
@pytest.mark.parametrize("name", ["scratch, memory", "torch, 2 workers"])
@pytest.mark.parametrize("phase", ["training", "validation"])
def test_a_second_interrupt_stops_at_once(trials: Trials, name: str, phase: str) -> None:
    ambush, step = PHASES[phase]
    done = trials.train(name, "twice", {**ambush, "signal": int(signal.SIGINT), "twice": True})
    run = trials.run(name, "twice")
    assert done.code == 130 and "stopped at once" in done.err, done.err
    assert not done.orphans
    assert run.status()["status"] == "interrupted"
    assert step is not None and run.checkpoint("last").state.step < step  # nothing was waited for
    assert trials.train(name, "twice").code == 0
    trials.assert_same(name, "twice")


@pytest.mark.fault("C")
@pytest.mark.slow
def test_a_second_interrupt_while_torch_is_loaded_ends_without_an_abort(tmp_path: Path, tiny_text: str) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny_text)
    (tmp_path / "twice.py").write_text(
        "import builtins, signal, sys\n"
        "plain = builtins.__import__\n"
        "def watched(name, *more, **options):\n"
        "    if name == 'torch' and 'torch' not in sys.modules:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    return plain(name, *more, **options)\n"
        "builtins.__import__ = watched\n"
    )
    done = fresh("train", "tiny.yaml", "--out", "out", "--run-id", "a", "--plugin", "twice.py", "--quiet", cwd=tmp_path)
    assert (done.code, done.err.strip()) == (130, "clfkit: stopped at once")
    assert RunDirectory(tmp_path / "out/tiny/a").status()["status"] == "crashed"


TRACKER = '''
import signal, time
from clfkit.components import trackers

class Slow:
    def start(self, records): pass
    def epochs(self, records): pass
    def finish(self):
        print("finishing", flush=True)
        time.sleep(1000)

@trackers.register("slow")
def slow(run):
    """Never answers."""
    return Slow()
'''


@pytest.mark.fault("C")
@pytest.mark.slow
@pytest.mark.matrix
def test_a_run_that_waits_for_a_tracker_only_is_finished_and_can_be_stopped(trials: Trials, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(TRACKER)
    (tmp_path / "tiny.yaml").write_text(json.dumps({**EXPERIMENTS["scratch, memory"], "track": ["slow"]}))
    command = [sys.executable, "-m", "clfkit", "train", "tiny.yaml", "--out", "out", "--run-id", "a"]
    process = subprocess.Popen(
        [*command, "--plugin", "slow.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "finishing\n" in iter(process.stdout.readline, "")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 143, err
    assert RunDirectory(tmp_path / "out/tiny/a").status()["status"] == "finished"


@pytest.mark.fault("C")
@pytest.mark.slow
@pytest.mark.matrix
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGINT])
def test_a_signal_to_a_group_of_several_processes(tmp_path: Path, tiny_text: str, number: signal.Signals) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny_text.replace("epochs: 4", "epochs: 100000, checkpoint_every: {steps: 20}"))
    command = [
        sys.executable,
        "-m",
        "clfkit",
        "train",
        "tiny.yaml",
        "--out",
        "out",
        "--run-id",
        "a",
        "--processes",
        "2",
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    run = RunDirectory(tmp_path / "out/tiny/a")
    until = time.monotonic() + 200
    while not run.checkpoint_path("last"):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 128 + number, err
    assert not Ended(process.returncode, err, process.pid).orphans
    assert run.status()["status"] == "interrupted"
    assert f"at step {run.checkpoint('last').state.step:,}; the checkpoint is kept" in err
