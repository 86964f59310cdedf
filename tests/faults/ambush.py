"""A plugin for `clfkit train`: its process signals itself at an aimed moment, and notes what each step is trained on.

AMBUSH, in the environment, is JSON with
  at      the moment: the qualified name of a function that is called, or an audit event and its first argument with
          wildcards ("os.rename */last.new"), which comes before it is carried out; left out, any call of a function
  times   how often that comes before
  signal  the number of the signal, by default SIGKILL
  whole_group, twice
  clock   a file that is made just before
NOTES is a file for a line a step, CALLS one for the number of calls from the beginning of the run to its end.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from types import FrameType
from typing import Any

from clfkit.trainer import Trainer

BEGIN = ("run_experiment", "resume_run")
"""A run exists when one of these is called."""


class Ambush:
    """Waits for a moment in the main thread."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.at: str | None = plan.get("at")
        self.times = int(plan.get("times", 0))
        self.number = int(plan.get("signal", signal.SIGKILL))
        self.whole_group, self.twice = plan.get("whole_group", False), plan.get("twice", False)
        self.clock: str | None = plan.get("clock")
        self.calls = -1  # not begun

    def lie(self) -> None:
        """Wait from now on."""
        sys.setprofile(self._called)
        if self.at and " " in self.at:
            sys.addaudithook(self._audited)

    def _called(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call":
            return
        name = frame.f_code.co_qualname
        if self.calls >= 0 or name in BEGIN:
            self.calls += 1
            if self.at in (None, name):
                self._count()

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        assert self.at is not None
        wanted, pattern = self.at.split(" ", 1)
        if event == wanted and threading.current_thread() is threading.main_thread():
            about = os.fsdecode(arguments[0]) if isinstance(arguments[0], (str, bytes, Path)) else ""
            if fnmatch(about, pattern):
                self._count()

    def _count(self) -> None:
        self.times -= 1
        if self.times == -1:
            if self.clock:
                Path(self.clock).touch()
            for _ in range(2 if self.twice else 1):
                (os.killpg(os.getpgrp(), self.number) if self.whole_group else os.kill(os.getpid(), self.number))


def noting(fit: Callable[..., Any], descriptor: int) -> Callable[..., Any]:
    """`Trainer.fit`, where every step is noted before it is done."""

    def noted(trainer: Trainer, *arguments: Any) -> Any:
        train_step = trainer.engine.train_step

        def step(indices: Any, lr: float, *keys: int) -> Any:
            line = json.dumps({"keys": keys, "lr": lr.hex(), "samples": indices.tolist()})
            os.write(descriptor, line.encode() + b"\n")
            return train_step(indices, lr, *keys)

        trainer.engine.train_step = step  # type: ignore[method-assign]
        return fit(trainer, *arguments)

    return noted


if "NOTES" in os.environ:
    notes = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    Trainer.fit = noting(Trainer.fit, notes)  # type: ignore[method-assign]
ambush = Ambush(json.loads(os.environ.get("AMBUSH", "{}")))
if "AMBUSH" in os.environ or "CALLS" in os.environ:
    ambush.lie()
if "CALLS" in os.environ:
    ambush.times = sys.maxsize
    atexit.register(lambda: Path(os.environ["CALLS"]).write_text(str(ambush.calls)))
