"""A plan's layers as torch modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from clfkit.models import plan
from clfkit.models.activations import activation

if TYPE_CHECKING:
    from torch import nn


def as_modules(layers: Iterable[plan.Layer]) -> list[nn.Module]:
    """One torch module for each layer, with torch's own first weights."""
    return [_module(layer) for layer in layers]


def _module(layer: plan.Layer) -> nn.Module:
    from torch import nn

    make: dict[type, Callable[[Any], nn.Module]] = {
        plan.Dense: lambda dense: nn.Linear(dense.inputs, dense.outputs),
        plan.Conv2D: lambda conv: nn.Conv2d(conv.inputs, conv.outputs, conv.size, conv.stride, conv.padding),
        plan.MaxPool2D: lambda pool: nn.MaxPool2d(pool.size),
        plan.BatchNorm: lambda norm: (nn.BatchNorm2d if norm.spatial else nn.BatchNorm1d)(
            norm.features, norm.eps, norm.momentum
        ),
        plan.LayerNorm: lambda norm: nn.LayerNorm(norm.features, norm.eps),
        plan.Activate: lambda activate: activation(activate.kind),
        plan.Dropout: lambda dropout: nn.Dropout(dropout.rate),
        plan.Flatten: lambda flatten: nn.Flatten(),
    }
    return make[type(layer)](layer)
