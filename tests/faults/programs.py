"""The command line as a process, a fresh one or a copy of one that has everything imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

AMBUSH = Path(__file__).with_name("ambush.py")
NURSERY = Path(__file__).with_name("nursery.py")


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, or minus the number of the signal that ended it."""

    code: int
    err: str
    group: int

    @property
    def orphans(self) -> bool:
        """Whether a process of its group is still there."""
        try:
            os.killpg(self.group, 0)
        except ProcessLookupError:
            return False
        return True


class Program(Protocol):
    """Runs `clfkit ARGUMENTS` in a folder."""

    def __call__(self, *arguments: object, cwd: Path, environment: Mapping[str, str] = {}) -> Ended: ...


def fresh(*arguments: object, cwd: Path, environment: Mapping[str, str] = {}) -> Ended:
    """As a user starts it."""
    command = [sys.executable, "-m", "clfkit", *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **environment}, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    _, err = process.communicate(timeout=200)
    return Ended(process.returncode, err, process.pid)


@contextmanager
def nursery(folder: Path) -> Iterator[Program]:
    """While it lasts, commands are copies of one process; what they say passes through `folder`."""
    server = subprocess.Popen([sys.executable, NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None and server.stdout is not None
    requests, answers, err = server.stdin, server.stdout, folder / "err"

    def copied(*arguments: object, cwd: Path, environment: Mapping[str, str] = {}) -> Ended:
        order = {"arguments": [*map(str, arguments)], "environment": {**environment}}
        print(json.dumps({**order, "cwd": str(cwd), "err": str(err)}), file=requests, flush=True)
        return Ended(**json.loads(answers.readline()), err=err.read_text())

    try:
        yield copied
    finally:
        requests.close()
        server.wait()
        answers.close()
