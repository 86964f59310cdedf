"""Weights and optimizer moments of torch as plain named arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from clfkit.engines.base import Arrays
from clfkit.errors import CheckpointError


def to_arrays(tensors: Mapping[str, Tensor]) -> Arrays:
    """Copies of tensors as NumPy arrays."""
    return {name: tensor.detach().cpu().clone().numpy() for name, tensor in tensors.items()}


def from_arrays(model: nn.Module, arrays: Arrays) -> None:
    """Load weights and buffers. Raises CheckpointError naming the first tensors that do not fit."""
    state = model.state_dict()
    wrong = [
        *(f"{name!r} is missing" for name in state if name not in arrays),
        *(f"{name!r} is not in the model" for name in arrays if name not in state),
        *(
            f"{name!r} has shape {arrays[name].shape}, the model {tuple(tensor.shape)}"
            for name, tensor in state.items()
            if name in arrays and arrays[name].shape != tuple(tensor.shape)
        ),
        *(
            f"{name!r} holds {arrays[name].dtype}, the model {str(tensor.dtype).removeprefix('torch.')}"
            for name, tensor in state.items()
            if name in arrays and (arrays[name].dtype.kind == "f") != tensor.is_floating_point()
        ),
    ]
    if wrong:
        raise CheckpointError(f"the weights are those of another model: {'; '.join(wrong[:3])}")
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
    """Put back what `optimizer_arrays` returned. Raises CheckpointError for parameters that do not exist."""
    parameters = dict(model.named_parameters())
    for key, array in arrays.items():
        name, _, entry = key.rpartition("/")
        if name not in parameters:
            raise CheckpointError(f"the optimizer state is that of another model: {name!r} is not in this one")
        parameter = parameters[name]
        value = torch.from_numpy(np.array(array))
        # Step counters lie on the CPU, unless the whole step runs as one kernel on the device.
        on_cpu = value.ndim == 0 and not optimizer.defaults.get("fused")
        optimizer.state[parameter][entry] = value if on_cpu else value.to(parameter.device)
