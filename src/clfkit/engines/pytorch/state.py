"""Weights, optimizer moments and results of steps: from torch to plain arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clfkit.engines.arrays import check_fit, parameter_of
from clfkit.engines.base import Arrays, StepResult, Totals


def to_arrays(tensors: Mapping[str, Tensor]) -> Arrays:
    """Copies of tensors as NumPy arrays."""
    return {name: tensor.detach().cpu().clone().numpy() for name, tensor in tensors.items()}


def from_arrays(model: nn.Module, arrays: Arrays) -> None:
    """Load weights and buffers. Raises CheckpointError naming the first tensors that do not fit."""
    state = model.state_dict()
    own = {name: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")) for name, tensor in state.items()}
    check_fit(arrays, own)
    model.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})


def optimizer_arrays(optimizer: torch.optim.Optimizer, model: nn.Module) -> Arrays:
    """What the optimizer keeps for each parameter, as `parameter name/entry`."""
    return to_arrays(
        {
            f"{name}/{entry}": value
            for name, parameter in model.named_parameters()
            for entry, value in optimizer.state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }
    )


def put_optimizer_arrays(optimizer: torch.optim.Optimizer, model: nn.Module, arrays: Arrays) -> None:
    """Put back what `optimizer_arrays` returned. Raises CheckpointError if it does not fit."""
    parameters = dict(model.named_parameters())
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    for key, array in arrays.items():
        name, entry = parameter_of(key, array, shapes)
        parameter = parameters[name]
        value = torch.from_numpy(np.array(array))
        if entry != "step":  # moments are of the weights' type, whatever precision they were trained in
            value = value.to(parameter.dtype)
        if value.ndim:  # laid out in memory as the weights are, since a fused step goes through both as they lie
            value = torch.empty_like(parameter).copy_(value)
        # Step counters lie on the CPU, unless the whole step runs as one kernel on the device.
        on_cpu = value.ndim == 0 and not optimizer.defaults.get("fused")
        optimizer.state[parameter][entry] = value if on_cpu else value.to(parameter.device)


def fetch(results: Sequence[StepResult]) -> Totals:
    """Step results on the host, with one transfer for each kind of them."""
    return Totals(
        _fetch([r.loss for r in results]).astype(np.float64),
        _fetch([r.weight for r in results]).astype(np.float64),
        _fetch([r.correct for r in results]).astype(np.int64),
        np.array([r.samples for r in results], np.int64),
        _fetch([r.skipped for r in results]).astype(np.int64),
    )


def _fetch(values: list[Any]) -> Any:
    """0-d tensors or numbers as one array, with a single transfer."""
    if values and isinstance(values[0], Tensor):
        return torch.stack(values).cpu().numpy()
    return np.array(values)
