"""A trial of a network on two samples: what torch refuses becomes a ModelError before any training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clfkit.data.bundle import DataSpec
from clfkit.errors import ModelError

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def refusals(network: str, spec: DataSpec) -> Iterator[None]:
    """What torch raises for too large layers or shapes that do not fit, as ModelError. `network` names the culprit."""
    try:
        yield
    except (RuntimeError, MemoryError, TypeError, OverflowError) as error:
        text = str(error).strip() or type(error).__name__
        if isinstance(error, TypeError) and "Overflow" not in text:  # a width of more than 64 bits; else a bug
            raise
        raise ModelError(f"{network} on inputs of shape {spec.shape}: {text.splitlines()[0]}") from error


def shape_of_outputs(network: nn.Module, spec: DataSpec) -> tuple[int, ...] | None:
    """Shape of what a network makes of two average samples in evaluation mode; None if it is no tensor.

    No statistics of normalisation layers change, and every module is left in the mode that it was in.
    Call it with torch's random state forked: nothing keeps a network from drawing numbers.
    """
    import torch

    dtype = next((parameter.dtype for parameter in network.parameters()), torch.float32)
    modes = [(module, module.training) for module in network.modules()]
    with torch.no_grad():
        outputs: Any = network.eval()(torch.zeros(2, *spec.shape, dtype=dtype))
    for module, training in modes:
        module.training = training
    return tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else None
