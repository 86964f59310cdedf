"""A run that is killed at any moment and resumed is the run that nobody killed, to the bit."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence

import pytest
from programs import Program, fresh
from trials import EXPERIMENTS, Trials

Kills = Sequence[dict[str, object]]

STEP = "noting.<locals>.noted.<locals>.step"
RENAMED = "os.rename */checkpoints/last.new"
AIMED: dict[str, Kills] = {
    "before the first step": [{"at": "Trainer.fit"}],
    "first checkpoint written, not renamed": [{"at": RENAMED}],
    "files of a checkpoint written, its manifest not": [{"at": "open */last.new/.manifest.json", "times": 2}],
    "first manifest written, not renamed": [{"at": "os.rename */last.new/.manifest.json"}],
    "between the two renames of a checkpoint": [{"at": RENAMED, "times": 2}],
    "a checkpoint renamed, the old one not put aside": [{"at": "os.rename */checkpoints/last.old", "times": 1}],
    "first checkpoint renamed, best not written": [{"at": "os.mkdir */checkpoints/best.new"}],
    "last renamed, best not written": [{"at": "os.mkdir */checkpoints/best.new", "times": 1}],
    "status written, not renamed": [{"at": "os.rename */.status.json.*", "times": 2}],
    "snapshot written, not renamed": [{"at": "os.rename */epoch-0002.new"}],
    "at an epoch boundary": [{"at": "Trainer._close_epoch", "times": 1}],
    "inside validation": [{"at": "evaluation_batches", "times": 2}],
    "in the second epoch": [{"at": STEP, "times": 7}],
    "three times within one epoch": [{"at": STEP, "times": times} for times in (7, 2, 1)],
    "predictions written, not renamed": [{"at": "os.rename */.test.npz.*"}],
    "in the midst of the evaluation": [{"at": "save_evaluation", "times": 1}],
    "inside plotting": [{"at": "Figure.savefig"}],
}
QUICK = ("between the two renames of a checkpoint", "three times within one epoch")


def kill_and_compare(trials: Trials, name: str, run_id: str, kills: Kills, program: Program | None = None) -> None:
    plots = ("--set", "plots=[curves]") if kills[0] in AIMED["inside plotting"] else ()
    for kill in kills:
        done = trials.train(name, run_id, kill, *plots, program=program)
        assert done.code == -signal.SIGKILL, done.err
        assert trials.run(name, run_id).status()["status"] == "crashed"
    done = trials.train(name, run_id, program=program)
    assert (done.code, done.err) == (0, "")
    run = trials.run(name, run_id)
    assert (run.status()["status"], run.plots()) == ("finished", ["curves"] if plots else [])
    trials.assert_same(name, run_id)


def cases() -> list[object]:
    return [
        pytest.param(
            name, kills, id=f"{name}, {moment}",
            marks=[] if moment in QUICK and name == "scratch, memory" else pytest.mark.matrix,
        )
        for name in EXPERIMENTS
        for moment, kills in AIMED.items()
    ]  # fmt: skip


@pytest.mark.fault("A1")
@pytest.mark.slow
@pytest.mark.parametrize(("name", "kills"), cases())
def test_killed_at_an_aimed_moment(trials: Trials, name: str, kills: Kills) -> None:
    kill_and_compare(trials, name, f"aimed-{[*AIMED.values()].index(kills)}", kills)


@pytest.mark.fault("A1")
@pytest.mark.matrix
@pytest.mark.parametrize("number", range(30))
def test_killed_at_a_random_moment(trials: Trials, number: int) -> None:
    """When any function is called, drawn from a fixed seed: from before the data is read to after the evaluation."""
    name = [*EXPERIMENTS][number % len(EXPERIMENTS)]
    calls = trials.calls(name)
    kill = {"times": int(random.Random(number).uniform(0.01, 0.95) * calls)}
    kill_and_compare(trials, name, f"random-{number}", [kill])


@pytest.mark.fault("A1")
@pytest.mark.matrix
@pytest.mark.parametrize(
    ("name", "moment"),
    [("scratch, memory", "between the two renames of a checkpoint"), ("torch, 2 workers", "in the second epoch")],
)
def test_killed_as_a_user_starts_it(trials: Trials, name: str, moment: str) -> None:
    kill_and_compare(trials, name, "fresh", AIMED[moment], fresh)
