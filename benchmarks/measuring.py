"""Processes that take turns, and the claims that follow from their times.

Everything is measured as users have it: `python -m clfkit …` and the peers' scripts, each a process of its own, all
in one process group, one after the other: A B C, A B C, A B C. The best of the rounds counts, since whatever disturbs a
measurement makes it longer. Neither torch nor NumPy is imported here: a child's peak memory begins with its parent's.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
POLL = 0.01  # seconds
PATIENCE = 120.0  # seconds to wait for a run to begin
AFTER_START = (0.3, 1.0, 3.0, 10.0)
"""Seconds from a run's first word to the signal that ends it; the next if that came before its first step."""

Work = Callable[[int], "Outcome"]
Outcomes = Mapping[str, "list[Outcome]"]


class Unavailable(Exception):
    """A row or a peer that cannot be measured here, and why."""


@dataclass(frozen=True)
class Outcome:
    """One process: its wall time, its peak memory in MB, what it told of itself, and all that it printed."""

    wall: float
    memory: float
    told: dict[str, Any] = field(default_factory=dict)
    output: str = ""

    def of(self, measure: str) -> float:
        """A figure by name: `wall`, `memory`, one that was told, or a sum such as `training+evaluation`."""
        known = {**self.told, "wall": self.wall, "memory": self.memory}
        return sum(float(known[name]) for name in measure.split("+"))


@dataclass(frozen=True)
class Claim:
    """One line of the table: our figure beside a peer's, smaller is better. Without bounds it is for comparison."""

    work: str
    measure: str
    peer: str
    ours: float
    theirs: float
    unit: str = "s"
    reach: float | None = None
    stretch: float | None = None
    our_accuracy: float | None = None
    their_accuracy: float | None = None
    tolerance: float = 0.01
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ours divided by the peer's."""
        return self.ours / self.theirs if self.theirs else float("nan")

    @property
    def learns_less(self) -> bool:
        """Whether ours is less accurate by more than the tolerance: then its speed does not count."""
        if self.our_accuracy is None or self.their_accuracy is None:
            return False
        return self.our_accuracy < self.their_accuracy - self.tolerance

    @property
    def verdict(self) -> str:
        """`stretch`, `reach`, `missed` or `learns less`; nothing without bounds."""
        if self.reach is None or self.stretch is None:
            return ""
        if self.learns_less:
            return "learns less"
        return "stretch" if self.ratio <= self.stretch else "reach" if self.ratio <= self.reach else "missed"


@dataclass
class Bench:
    """How to measure: rounds, where MNIST lies, where runs are written. quick: a tenth of the epochs, for a try."""

    repeats: int
    root: str
    out: Path
    quick: bool = False
    shared: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, measure: Callable[[], Any]) -> Any:
        """What several rows look at is measured once."""
        if name not in self.shared:
            self.shared[name] = measure()
        return self.shared[name]

    def epochs(self, number: int) -> int:
        """So many epochs, or a tenth of them for a try."""
        return max(1, number // 10) if self.quick else number

    def turns(self, peers: Mapping[str, Work], repeats: int | None = None) -> dict[str, list[Outcome]]:
        """All outcomes of each peer, which take turns; one that is not installed is left out with a word."""
        outcomes: dict[str, list[Outcome]] = {name: [] for name in peers}
        absent: set[str] = set()
        for turn in range(repeats or self.repeats):
            for name, work in peers.items():
                if name in absent:
                    continue
                try:
                    outcomes[name].append(work(turn))
                except Unavailable as reason:
                    absent.add(name)
                    say(f"  {name}: left out, {reason}")
                    continue
                say(f"  {turn + 1}. {name}: {outcomes[name][-1].wall:.2f} s")
        return {name: found for name, found in outcomes.items() if found}

    def clfkit(self, config: str, *sets: str, seed: int | None = None, keep: str = "", stop: bool = False) -> Outcome:
        """`clfkit train configs/CONFIG.yaml`, told by its JSON and its status.json.

        keep: name of the run, which is then not removed. stop: end it soon after its first step, as Ctrl-C does.
        """
        name = keep or "run"
        sets = (*sets, *([f"seed={seed}"] if seed is not None else []))
        flags = [flag for text in sets for flag in ("--set", text)]
        place = ["--out", str(self.out), "--run-id", name, "--quiet", "--json"]
        command = [sys.executable, "-m", "clfkit", "train", f"configs/{config}.yaml", *place, *flags]
        wanted = self.out / _name_of(config) / name
        for wait in AFTER_START:
            shutil.rmtree(wanted, ignore_errors=True)
            outcome = run(command, stop_at=wanted / "status.json" if stop else None, wait=wait)
            told = json.loads((wanted / "status.json").read_text())["timing"]
            if "first_step" in told:
                break
        if not stop:
            told |= outcome.told["metrics"]
            told["epochs"] = len((wanted / "history.jsonl").read_text().splitlines())
        if not keep:
            shutil.rmtree(wanted)
        return Outcome(outcome.wall, outcome.memory, told)

    def ours(self, config: str, *sets: str) -> Work:
        """The run of a config as a work of turns, each with its own seed."""
        return lambda turn: self.clfkit(config, *sets, seed=turn)

    def theirs(self, script: str, *arguments: object, needs: str = "torch") -> Work:
        """A peer as a work of turns, each with its own seed."""
        return lambda turn: self.peer(script, *arguments, "--seed", turn, needs=needs)

    def command(self, *words: str) -> Outcome:
        """Any other command of clfkit."""
        return run([sys.executable, "-m", "clfkit", *words])

    def peer(self, script: str, *arguments: object, needs: str = "torch") -> Outcome:
        """A script in benchmarks/peers. Raises Unavailable when the library it needs is not installed."""
        if importlib.util.find_spec(needs) is None:
            raise Unavailable(f"{needs} is not installed (pip install -r benchmarks/requirements.txt)")
        return run([sys.executable, str(HERE / "peers" / f"{script}.py"), *map(str, arguments)])


def run(command: Sequence[str], stop_at: Path | None = None, wait: float = 0.0) -> Outcome:
    """One process from its start to its end. The last line of its output, if it is JSON, is what it told.

    stop_at: a file whose appearance says that work has begun; `wait` seconds later the process is asked to stop.
    Raises RuntimeError with the end of its error output when it fails.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:  # no pipe that could fill up
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)
        if stop_at is not None:
            _stop_when_begun(process.pid, stop_at, wait)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        output, errors = out.read(), err.read()
    if process.returncode not in ((0, 128 + signal.SIGINT) if stop_at else (0,)):
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors[-2000:]}")
    memory = usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    last = output.strip().splitlines()[-1:]
    return Outcome(wall, memory, json.loads(last[0]) if last and last[0].startswith("{") else {}, output)


def _stop_when_begun(process: int, status: Path, wait: float) -> None:
    deadline = time.monotonic() + PATIENCE
    while not status.exists() and time.monotonic() < deadline:
        time.sleep(POLL)
    time.sleep(wait)
    os.kill(process, signal.SIGINT)


def python(code: str) -> Outcome:
    """`python -c CODE`."""
    return run([sys.executable, "-c", code])


def best(outcomes: Sequence[Outcome], measure: str) -> float:
    """The smallest figure of all rounds."""
    return min(outcome.of(measure) for outcome in outcomes)


def accuracy(outcomes: Sequence[Outcome]) -> float | None:
    """The median accuracy of all rounds, each of which has a seed of its own; None where nothing was learnt."""
    found = [outcome.told["accuracy"] for outcome in outcomes if "accuracy" in outcome.told]
    return statistics.median(found) if found else None


def claim(work: str, outcomes: Outcomes, peer: str, measure: str, **more: Any) -> Claim:
    """The first of the outcomes beside `peer`.

    more: what else a Claim holds, and `their_measure` where the peer calls it by another name.
    """
    ours, theirs = next(iter(outcomes.values())), outcomes[peer]
    their_measure = more.pop("their_measure", measure)
    return Claim(
        work, MEASURES.get(measure, measure), peer, best(ours, measure), best(theirs, their_measure),
        our_accuracy=accuracy(ours), their_accuracy=accuracy(theirs), **more,
    )  # fmt: skip


MEASURES = {
    "wall": "whole process",
    "training+evaluation": "training and evaluation",
    "memory": "peak memory",
    "first_step": "to the end of the first step",
    "seconds": "evaluation",
}
"""What the measures are called in the table."""


def say(text: str) -> None:
    """One line of news, at once."""
    print(text, flush=True)


def _name_of(config: str) -> str:
    """The experiment's name, which is the folder of its runs."""
    lines = (ROOT / f"configs/{config}.yaml").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("name:")).split()[1]
