"""Batch norm whose statistics are those of the batches of all processes together."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _Standardise(torch.autograd.Function):
    """(x - m) / s with m, s² over all processes; the gradient flows through both. A process may have no samples."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, mean: Tensor, scale: Tensor, count: float) -> Tensor:
        result = (inputs - mean) * scale
        ctx.save_for_backward(result, scale)
        ctx.count = count
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,), (result, scale) = gradients, ctx.saved_tensors
        over = [axis for axis in range(gradient.ndim) if axis != 1]
        sums = torch.stack([gradient.sum(over, keepdim=True), (gradient * result).sum(over, keepdim=True)])
        dist.all_reduce(sums)
        return (gradient - sums[0] / ctx.count - result * sums[1] / ctx.count) * scale, None, None, None


def global_batch_norm(
    inputs: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """torch.nn.functional.batch_norm for inputs (N, C, …) in training, with the batches of all processes as one."""
    over, shape = [axis for axis in range(inputs.ndim) if axis != 1], [1, -1] + [1] * (inputs.ndim - 2)
    wide = inputs.detach().double()
    mine = torch.cat([wide.sum(over), wide.square().sum(over), wide.new_tensor([wide.numel() / wide.shape[1]])])
    dist.all_reduce(mine)
    count = float(mine[-1])
    mean, square = (mine[:-1] / count).chunk(2)
    variance = (square - mean.square()).clamp(min=0)
    with torch.no_grad():
        for running, value in ((running_mean, mean), (running_var, variance * count / max(count - 1, 1))):
            if running is not None:
                running.lerp_(value.to(running.dtype), momentum)
    exact = inputs if inputs.dtype == torch.float64 else inputs.float()
    scale = (variance + eps).rsqrt()
    result: Tensor = _Standardise.apply(  # type: ignore[no-untyped-call]
        exact, mean.to(exact).view(shape), scale.to(exact).view(shape), count
    )
    if weight is not None:
        result = result * weight.view(shape)
    return (result if bias is None else result + bias.view(shape)).to(inputs.dtype)
