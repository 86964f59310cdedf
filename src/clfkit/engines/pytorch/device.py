"""Where and how torch computes: device, threads, reproducible operations."""

from __future__ import annotations

import os

import torch

from clfkit.engines.base import EngineSetup
from clfkit.errors import UsageError

TINY_STEP = 5e7
"""Multiplications in a step below which a second thread costs more than it brings."""


def choose_device(wanted: str) -> torch.device:
    """`auto` takes a GPU when there is one. Raises UsageError when the wanted device is absent."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        wanted = next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present[wanted]:
        there = ", ".join(name for name, found in present.items() if found)
        raise UsageError(f"train.device: {wanted!r} is not available here; this machine has: {there}")
    return torch.device(wanted)


def choose_threads(setup: EngineSetup, parameters: int) -> int:
    """Threads for this work. Two threads on a tiny network wait for each other longer than they compute, and
    many times longer when another process wants a core."""
    if isinstance(setup.threads, int):
        return setup.threads
    tiny = setup.spec.inputs == "vector" and parameters * setup.batch_size < TINY_STEP
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if tiny else cores


def make_deterministic() -> None:
    """Only operations with reproducible results, on a GPU too; an operation that has none raises.

    These are switches of torch itself: they hold for everything else in the process, and stay on.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
