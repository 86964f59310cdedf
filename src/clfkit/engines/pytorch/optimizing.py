"""Which of a module's tensors an optimizer decays, at which rate each learns, and an optimizer that starts at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from clfkit.components import OptimizerOptions, optimizers
from clfkit.engines.base import EngineSetup
from clfkit.models.fine_tuning import LearnsAtRates

_PATCHING = Lock()
NORMALISATION = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)  # _NormBase: batch and instance norm of any kind


def parameter_groups(setup: EngineSetup, model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Learnable tensors with weight decay, and those without: biases, normalisation layers, scales of channels."""
    learnable: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    if setup.optimizer.options.decay_all:
        return learnable, []
    free = {
        id(parameter)
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if name == "bias" or isinstance(module, NORMALISATION) or _is_vector(parameter, module)
    }
    return [p for p in learnable if id(p) not in free], [p for p in learnable if id(p) in free]


def _is_vector(parameter: Tensor, module: nn.Module) -> bool:
    """Whether a parameter holds one number a channel, as (C,) or (C, 1, 1); a layer's matrix of one row does not."""
    if parameter.ndim <= 1:
        return True
    return parameter.ndim > 2 and parameter.numel() == max(parameter.shape) and not isinstance(module, _ConvNd)


def by_rate(model: nn.Module, parameters: Sequence[Tensor]) -> dict[float, list[Tensor]]:
    """Parameters of a model by the factor on the learning rate that it gives them: see LearnsAtRates."""
    named = model.rate_factors() if isinstance(model, LearnsAtRates) else {}
    factors = {id(parameter): named.get(name, 1.0) for name, parameter in model.named_parameters()}
    groups: dict[float, list[Tensor]] = {}
    for parameter in parameters:
        groups.setdefault(factors[id(parameter)], []).append(parameter)
    return groups


def build_optimizer(setup: EngineSetup, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of the config; an L2 penalty goes into its gradient, decoupled decay does not.

    One group of parameters for each weight decay and factor on the learning rate, which stands in it as `lr_factor`.
    """
    decayed, free = parameter_groups(setup, model)
    options = setup.optimizer.options
    penalty = 0.0 if options.decoupled else options.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": decay, "lr_factor": factor}
        for together, decay in ((decayed, penalty), (free, 0.0))
        for factor, parameters in by_rate(model, together).items()
    ]
    with _without_compiler():
        optimizer: torch.optim.Optimizer = optimizers.build(setup.optimizer, groups)
    return optimizer


def penalise(decayed: Mapping[float, Sequence[Tensor]], options: OptimizerOptions, lr: float) -> None:
    """The penalties that are not the optimizer's own: L1, and decay that passes the gradient by.

    decayed: the parameters that are decayed, by the factor on their learning rate.
    """
    for factor, parameters in decayed.items():
        if options.l1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad.add_(parameter.sign(), alpha=options.l1)
        if options.decoupled and options.weight_decay:
            torch._foreach_mul_(list(parameters), 1 - lr * factor * options.weight_decay)


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The learning rate of the next step, of which some groups of parameters take a part."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_factor"]


def eager_step(optimizer: torch.optim.Optimizer) -> Callable[[], object]:
    """The bare step of one of torch's optimizers, to be called without gradients, without a look at torch's compiler.

    What torch wraps around every step imports `torch._dynamo`, which takes longer than many a run. An optimizer of
    somebody's own, and one that hooks are registered on, may have other things wrapped around it, and keeps them.
    """
    hooks = (
        *optimizer._optimizer_step_pre_hooks, *optimizer._optimizer_step_post_hooks,
        *_global_optimizer_pre_hooks, *_global_optimizer_post_hooks,
    )  # fmt: skip
    if not type(optimizer).__module__.startswith("torch.optim.") or "step" in vars(optimizer) or hooks:
        return optimizer.step
    return partial(inspect.unwrap(type(optimizer).step), optimizer)


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Optimizers that are made meanwhile do not import `torch._dynamo` either, which they would only keep away."""
    with _PATCHING:
        wrapped = torch.optim.Optimizer.add_param_group
        torch.optim.Optimizer.add_param_group = inspect.unwrap(wrapped)  # type: ignore[method-assign]
        try:
            yield
        finally:
            torch.optim.Optimizer.add_param_group = wrapped  # type: ignore[method-assign]
