"""How fast a step could be: its multiplications, and how many of them a second the device does at best."""

from __future__ import annotations

import copy
import time

import torch
from torch import nn

SIDE = {"cpu": 1024}
LARGE_SIDE = 8192
"""Rows of the matrices that are multiplied to see how fast a device is."""
ROUNDS = 8


def flops_of_a_sample(model: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> float:
    """Floating-point operations of one train sample, forward and backward, as torch itself counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[]), FlopCounterMode(display=False) as counter:
        copy.deepcopy(model).train()(torch.zeros(2, *shape, dtype=dtype, device=device)).sum().backward()
    return float(counter.get_total_flops()) / 2


def flops_a_second(device: torch.device, dtype: torch.dtype) -> float:
    """Those of the best of several products of two large matrices."""
    side = SIDE.get(device.type, LARGE_SIDE)
    left = torch.ones(side, side, dtype=dtype, device=device)
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        (left @ left)[0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return float(2 * side**3 / min(seconds))
