"""Several processes that train one model: starting them on this machine, and joining those of torchrun."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

import typer

from clfkit.cli.terminal import complain
from clfkit.errors import UsageError
from clfkit.interruption import WISHES
from clfkit.world import World

GRACE = 15.0
"""Seconds that the others have to end by themselves when one has failed: to say why, and to write what waits."""
LOOPBACK = ("lo", "lo0")


def join(processes: int | None) -> World:
    """The world that the environment describes, as torchrun sets it; without one this process by itself.

    processes: how many were asked for on the command line. Raises UsageError when the environment says otherwise.
    """
    described = os.environ.get("WORLD_SIZE", "1")
    if processes is not None and str(processes) != described:
        raise UsageError(f"--processes {processes}: torchrun has started {described} already; one of them is enough")
    if described == "1":
        return World()
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # else a lost process is a page of addresses in C++
    from clfkit.engines.pytorch.world import TorchWorld

    return TorchWorld()


def first_of_torchrun() -> bool:
    """Whether this process does what one is enough for: it is the first of those that torchrun started, or alone."""
    return not _several() or os.environ.get("RANK", "0") == "0"


def refuse_several(because: str) -> None:
    """Raises UsageError where torchrun started this process as one of several; all but the first just end."""
    if not _several():
        return
    if not first_of_torchrun():
        raise typer.Exit(UsageError.exit_code)
    raise UsageError(f"{because}: start it without torchrun")


def _several() -> bool:
    return os.environ.get("WORLD_SIZE", "1") != "1"


def to_start(processes: int | None) -> bool:
    """Whether this process is to start those that train, and to train nothing itself."""
    return processes is not None and processes > 1 and not _several()


def start(arguments: Sequence[str], processes: int) -> int:
    """Run `clfkit ARGUMENTS` so many times as one world and wait for all; returns the exit code of the whole.

    Signals go on to the children, which agree on the step they stop at. When one child fails, the others get a moment
    to end by themselves, and are ended then. On Linux they also end when this process does.
    """
    # What torchrun tells one process of its own agent would mislead several.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("TORCHELASTIC_")}
    place = {**inherited, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    place |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    loopback = next((name for _, name in socket.if_nameindex() if name in LOOPBACK), None)
    if loopback:  # the machine's own name may lead nowhere
        place.setdefault("GLOO_SOCKET_IFNAME", loopback)
    # `-m` would put the working directory before all that is installed, whatever lies in it.
    safe = [] if os.path.realpath(sys.path[0]) == os.path.realpath(os.curdir) else ["-P"]
    children: list[subprocess.Popen[bytes]] = []
    passed: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        passed.append(number)
        for child in children:
            child.send_signal(number)

    before = {number: signal.getsignal(number) for number in WISHES}
    try:
        for rank in range(processes):
            child = subprocess.Popen(
                [sys.executable, *safe, "-m", "clfkit", *arguments],
                env={**place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
            children.append(child)
        for number in WISHES:
            signal.signal(number, pass_on)
        # A terminal sends Ctrl-C to the children itself; twice would stop them at once. A closed stdin is None.
        if sys.stdin is not None and sys.stdin.isatty():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        _wait(children)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for child in children:
            child.kill()
            child.wait()
    return _verdict([child.returncode for child in children], passed)


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Until all children have ended, or the time has passed that one which failed leaves to the others."""
    until: float | None = None
    while any(child.poll() is None for child in children) and (until is None or time.monotonic() < until):
        if until is None and any(child.poll() for child in children):
            until = time.monotonic() + GRACE
        time.sleep(0.05)


def _verdict(codes: Sequence[int], passed: Sequence[int]) -> int:
    """The exit code of the whole: that of rank 0, which speaks to the user, unless it was ended from outside."""
    if any(-number in codes for number in passed):  # a signal that came before they could listen
        return 128 + passed[0]
    if codes[0] > 0 or not any(codes):
        return codes[0]
    rank = next(rank for rank, code in enumerate(codes) if code)
    how = f"was ended by signal {-codes[rank]}" if codes[rank] < 0 else f"ended with exit code {codes[rank]}"
    complain(f"clfkit: process {rank} of {len(codes)} {how}; see `clfkit runs`")
    return 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    """Ask Linux for a SIGTERM when the parent is gone, even killed: prctl(PR_SET_PDEATHSIG)."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
