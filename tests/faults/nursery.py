"""A process that has imported what training needs, and is copied for every command: a start takes no time.

It reads a line of JSON for each command (arguments, environment, cwd, err) and answers with its exit code and
process group.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys

MODULES = (
    "clfkit.cli.app", "clfkit.cli.train", "clfkit.experiment", "clfkit.engines.pytorch.engine",
    "clfkit.engines.scratch.engine", "clfkit.plots", "clfkit.profiling", "clfkit.progress", "clfkit.watching",
    "matplotlib.figure", "safetensors.numpy", "sklearn.model_selection",
)  # fmt: skip
PATIENCE = 100
"""Seconds after which a command is ended."""


def fsync(descriptor: int) -> None:
    """Nobody pulls the plug during tests."""


def load() -> None:
    """Import what a run imports, and compute nothing, since threads do not survive a copy."""
    for name in MODULES:
        importlib.import_module(name)
    from clfkit.components import augmentations, datasets, engines, losses, metrics, models, optimizers, schedules

    for registry in (augmentations, datasets, engines, losses, metrics, models, optimizers, schedules):
        registry.names()


def become(order: dict[str, object]) -> None:
    """Be the command."""
    from clfkit.__main__ import program

    signal.alarm(PATIENCE)
    os.setsid()
    os.dup2(os.open(str(order["err"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    for descriptor in (0, 1):
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    os.environ.update(order["environment"])  # type: ignore[call-overload]
    os.chdir(str(order["cwd"]))
    sys.argv = ["clfkit", *order["arguments"]]  # type: ignore[misc]
    program()


def main() -> None:
    """Serve until standard input ends."""
    os.fsync = fsync
    load()
    answers = os.fdopen(os.dup(1), "w")
    while line := sys.stdin.readline():
        pid = os.fork()
        if not pid:
            become(json.loads(line))
            return
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps({"code": code, "group": pid}), file=answers, flush=True)
    os._exit(0)  # the end of an interpreter with torch takes a second


if __name__ == "__main__":
    main()
