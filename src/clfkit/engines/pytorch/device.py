"""Where and how torch computes: device, precision, layout, random draws, reproducible operations."""

from __future__ import annotations

import os

import numpy as np
import torch

from clfkit.engines.base import EngineSetup
from clfkit.errors import UsageError
from clfkit.world import World

EVALUATION_NUMBERS = {"cpu": 80_000}
"""Inputs, or outputs where they are more, in one batch of an evaluation: as many as a processor's caches and allocator
take well."""

LARGE_EVALUATION = 4_000_000
"""The same for devices with thousands of cores."""


def choose_device(wanted: str, world: World) -> torch.device:
    """Together: `auto` takes a GPU when there is one.

    Raises UsageError when the wanted device is absent, or one GPU would be that of several processes.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        wanted = next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present[wanted]:
        there = ", ".join(name for name, found in present.items() if found)
        raise UsageError(f"train.device: {wanted!r} is not available here; this machine has: {there}")
    device = torch.device(wanted)
    if world.size > 1:
        _refuse_shared_gpu(device, world)
    return device


def _refuse_shared_gpu(device: torch.device, world: World) -> None:
    """nccl takes each GPU once. Compared are their own names: a launcher may show every process another as number 0."""
    name = str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else ""
    names = [each.tobytes() for each in world.gather(np.frombuffer(name.encode(), np.uint8)) if len(each)]
    if len(set(names)) < len(names):
        raise UsageError(
            f"{len(names)} processes on {len(set(names))} GPU{'s' * (len(set(names)) > 1)}: each needs one of its own; "
            "start as many processes as there are GPUs, or set train.device: cpu"
        )


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
        current = torch.cuda.current_device()  # makes the generators; one process of several has a GPU of its own
        return torch.cuda.default_generators[current if device.index is None else device.index]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator


def dtype_of(setup: EngineSetup) -> torch.dtype:
    """The type of weights and inputs."""
    return torch.float64 if setup.precision == "fp64" else torch.float32


def choose_precision(setup: EngineSetup, device: torch.device) -> str:
    """`auto` takes bf16 for images where the device computes with it natively, which is about twice as fast."""
    if setup.precision != "auto":
        return setup.precision
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = torch.cpu.get_capabilities() if device.type == "cpu" else {}
        native = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return "bf16" if native and setup.spec.inputs == "image" else "fp32"


def takes_channels_last(setup: EngineSetup, device: torch.device) -> bool:
    """`auto` lays images out as (N, H, W, C), which convolutions on processors and GPUs are fastest with."""
    if setup.channels_last != "auto":
        return bool(setup.channels_last)
    return setup.spec.inputs == "image" and device.type in ("cpu", "cuda")
