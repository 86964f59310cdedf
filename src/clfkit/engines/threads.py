"""How many processor threads a training step is worth."""

from __future__ import annotations

import os

from clfkit.engines.base import EngineSetup

TINY_STEP = 5e7
"""Multiplications in a step below which a second thread costs more than it brings."""


def choose_threads(setup: EngineSetup, parameters: int) -> int:
    """Threads for this work. Two threads on a tiny network wait for each other longer than they compute, and
    many times longer when another process wants a core."""
    if isinstance(setup.threads, int):
        return setup.threads
    tiny = setup.spec.inputs == "vector" and parameters * setup.batch_size < TINY_STEP
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if tiny else max(1, cores // setup.world.machine_size)
