"""Where and how torch computes: device, type of numbers, random draws, reproducible operations."""

from __future__ import annotations

import os

import torch

from clfkit.engines.base import EngineSetup
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


def default_generator(device: torch.device) -> torch.Generator:
    """The generator that torch's own layers (dropout and the like) draw from on this device."""
    if device.type == "cuda":
        torch.cuda.current_device()  # makes the generators
        return torch.cuda.default_generators[device.index or 0]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator


def dtype_of(setup: EngineSetup) -> torch.dtype:
    """The type of weights and inputs."""
    return torch.float64 if setup.precision == "fp64" else torch.float32
