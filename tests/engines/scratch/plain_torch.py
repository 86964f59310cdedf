"""The same networks in plain torch: modules that the tests make themselves, in float64, as an oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from clfkit.models import plan

Array = npt.NDArray[Any]


class ElementaryTanh(nn.Module):
    """tanh, however it is computed."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "tanh_elementary": ElementaryTanh,
}


def module_of(layer: plan.Layer) -> nn.Module:
    """One layer."""
    match layer:
        case plan.Dense(inputs, outputs):
            return nn.Linear(inputs, outputs)
        case plan.Conv2D(inputs, outputs, size, stride, padding):
            return nn.Conv2d(inputs, outputs, size, stride, padding)
        case plan.MaxPool2D(size):
            return nn.MaxPool2d(size)
        case plan.BatchNorm(features, spatial):
            return nn.BatchNorm2d(features) if spatial else nn.BatchNorm1d(features)
        case plan.LayerNorm(features):
            return nn.LayerNorm(features)
        case plan.Activate(kind):
            return ACTIVATIONS[kind]()
        case plan.Flatten():
            return nn.Flatten()
    raise ValueError(layer)


def network_of(design: plan.Plan, arrays: Mapping[str, Array]) -> nn.Sequential:
    """A whole network with the given weights, in training mode."""
    network = nn.Sequential(*map(module_of, design.layers)).double()
    network.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    return network.train()


def state_of(network: nn.Module) -> dict[str, Array]:
    """Its weights and statistics."""
    return {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()}


def samples_first(x: Array) -> Tensor:
    """Columns (…, N) of the NumPy engine as a batch (N, …) of torch."""
    return torch.tensor(np.ascontiguousarray(np.moveaxis(x, -1, 0)))


def samples_last(x: Tensor) -> Array:
    """The way back."""
    return np.ascontiguousarray(np.moveaxis(x.detach().numpy(), 0, -1))


def assert_near(
    mine: Mapping[str, Array], theirs: Mapping[str, Array], tolerance: float, floor: float = 1e-300
) -> None:
    """Fails naming the arrays that differ by more than `tolerance` of their largest number, and by how much.

    floor: what counts as the largest number where all are smaller.
    """
    assert mine.keys() == theirs.keys()
    errors = {
        name: float(np.abs(mine[name] - theirs[name]).max() / max(np.abs(theirs[name]).max(), floor)) for name in mine
    }
    wrong = {name: error for name, error in errors.items() if not error <= tolerance}
    assert not wrong, f"differ by more than {tolerance}: {wrong}"
