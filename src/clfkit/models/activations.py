"""The activations that models offer, as torch modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfkit.models.plan import Activation

if TYPE_CHECKING:
    from torch import Tensor, nn


def activation(name: Activation) -> nn.Module:
    """A fresh module for the activation of that name."""
    from torch import nn

    modules: dict[Activation, type[nn.Module]] = {
        "relu": nn.ReLU,
        "leaky_relu": nn.LeakyReLU,
        "gelu": nn.GELU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "silu": nn.SiLU,
    }
    return _elementary() if name == "tanh_elementary" else modules[name]()


def tanh_elementary(x: Tensor) -> Tensor:
    """tanh(x) = (e^2x - 1) / (e^2x + 1), from elementary operations; autograd differentiates it.

    expm1 keeps the digits near zero. Beyond |x| = 20 the quotient is ±1 in double precision, and clamping keeps
    the exponential finite (and the gradient 0, which it is there to all digits).
    """
    from torch import clamp, expm1

    grown = expm1(2 * clamp(x, -20.0, 20.0))
    return grown / (grown + 2)


def _elementary() -> nn.Module:
    from torch import nn

    class TanhElementary(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return tanh_elementary(x)

    return TanhElementary()
