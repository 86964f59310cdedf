"""Rows about tiny networks on points in the plane."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from measuring import Bench, Claim, Outcome, Work, claim

TINY = "engine=auto"
"""The engine for tiny networks."""

BLOBS = (
    "plots=[]",
    "train.batch_size=32",
    "train.optimizer.lr=0.01",
    "train.schedule=constant",
    "train.early_stopping=null",
)
"""configs/blobs.yaml with small batches at a constant rate that trains all epochs."""

PLAIN = "plain loop"
LIBRARIES = {"skorch": "with_skorch", "Lightning": "with_lightning"}
SCIKIT = "scikit-learn's MLPClassifier"
EPOCHS = {"blobs": 100, "moons": 1000, "spiral": 1000}


def blobs(bench: Bench) -> list[Claim]:
    """5,000 points, MLP 2-16-16-5, 100 epochs with metrics of train and valid."""
    work = {"clfkit": _ours(bench, "blobs"), PLAIN: _peer(bench, "plain", "blobs")}
    for library, script in LIBRARIES.items():
        work[library] = _peer(bench, script, "blobs", needs=library.lower())
    outcomes = bench.turns(work)
    claims = [claim(_title(bench, "blobs"), outcomes, PLAIN, "training", reach=0.35, stretch=0.15)]
    others = [peer for peer in LIBRARIES if peer in outcomes]
    claims += [claim(_title(bench, "blobs"), outcomes, peer, "training") for peer in others]
    return [*claims, claim(_title(bench, "blobs"), outcomes, PLAIN, "wall")]


def full_batch(bench: Bench) -> list[Claim]:
    """configs/moons.yaml and spiral.yaml: 1,000 steps on the whole train split, metrics after each."""
    return [each for name in ("moons", "spiral") for each in _pair(bench, name, PLAIN, "plain", 0.75, 0.4)]


def scikit_learn(bench: Bench) -> list[Claim]:
    """The same steps; scikit-learn measures no accuracy in between, clfkit does."""
    return [each for name in EPOCHS for each in _pair(bench, name, SCIKIT, "with_sklearn", 1.3, 0.5)]


def busy(bench: Bench) -> list[Claim]:
    """A tiny run while another process keeps a core busy, against the same run in quiet."""
    ours, few = _ours(bench, "blobs"), bench.epochs(10)
    theirs = bench.theirs("plain", "blobs", "--epochs", few)
    quiet = "the same in quiet"
    runs = bench.turns({"clfkit": _disturbed(ours), quiet: ours})
    loops = bench.turns({PLAIN: _disturbed(theirs), quiet: theirs})
    work = f"{_title(bench, 'blobs')}, beside a busy process"
    return [
        claim(work, runs, quiet, "wall", reach=2.0, stretch=1.3),
        claim(work, runs, quiet, "training"),
        claim(f"the plain loop itself, {few} epochs, beside a busy process", loops, quiet, "training"),
    ]


def _pair(bench: Bench, name: str, peer: str, script: str, reach: float, stretch: float) -> list[Claim]:
    """Ours against one peer: the training, then the whole process."""
    outcomes = bench.turns({"clfkit": _ours(bench, name), peer: _peer(bench, script, name)})
    title = _title(bench, name)
    return [
        claim(title, outcomes, peer, "training", reach=reach, stretch=stretch),
        claim(title, outcomes, peer, "wall"),
    ]


def _ours(bench: Bench, name: str) -> Work:
    """A run without figures; blobs with small batches."""
    sets = BLOBS if name == "blobs" else ("plots=[]",)
    return bench.ours(name, TINY, *sets, f"train.epochs={bench.epochs(EPOCHS[name])}")


def _peer(bench: Bench, script: str, name: str, needs: str = "torch") -> Work:
    return bench.theirs(script, name, "--epochs", bench.epochs(EPOCHS[name]), needs=needs)


def _title(bench: Bench, name: str) -> str:
    batches = "batches of 32" if name == "blobs" else "full batch"
    return f"{name}, {batches}, {bench.epochs(EPOCHS[name]):,} epochs"


def _disturbed(work: Work) -> Work:
    """The same work beside a busy process."""

    def disturbed(turn: int) -> Outcome:
        with busy_process():
            return work(turn)

    return disturbed


@contextmanager
def busy_process() -> Iterator[None]:
    """A process that wants all it can get of one core, while the block runs."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()
