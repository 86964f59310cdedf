"""Where and how torch computes: device, threads, reproducible operations."""

from __future__ import annotations

import os

import torch

from clfkit.errors import UsageError


def choose_device(wanted: str) -> torch.device:
    """`auto` takes a GPU when there is one. Raises UsageError when the wanted device is absent."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        wanted = next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present[wanted]:
        there = ", ".join(name for name, found in present.items() if found)
        raise UsageError(f"train.device: {wanted!r} is not available here; this machine has: {there}")
    return torch.device(wanted)


def make_deterministic() -> None:
    """Only operations with reproducible results, on a GPU too; an operation that has none raises.

    These are switches of torch itself: they hold for everything else in the process, and stay on.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
