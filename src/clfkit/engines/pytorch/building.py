"""From a model's name and options to a torch module with its first weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from clfkit import rng
from clfkit.components import NoOptions, models
from clfkit.engines.base import EngineSetup, lone_sample
from clfkit.engines.pytorch.device import dtype_of, takes_channels_last
from clfkit.errors import ModelError, UsageError
from clfkit.models.fine_tuning import LearnsLater
from clfkit.models.modules import as_modules
from clfkit.models.plan import Plan
from clfkit.models.trial import refusals, shape_of_outputs
from clfkit.options import FirstWeights, Options
from clfkit.registry import Component
from clfkit.wording import first_line

CPU = torch.device("cpu")
ALL_LEARN = 2**31
"""An epoch from which on every part learns that ever does."""


def build_model(setup: EngineSetup, outputs: int, device: torch.device = CPU) -> nn.Module:
    """The model with initial weights that depend on the seed alone; torch's own random state is left as it was.

    Raises ModelError when it does not fit into memory or cannot take the samples.
    """
    component = setup.model if setup.fresh and setup.train is not None else _without_weights(setup.model)
    with torch.random.fork_rng(devices=[]), refusals(f"model {component.name!r}", setup.spec):
        torch.default_generator.manual_seed(rng.key(setup.seed, "weights"))
        model = as_module(models.build(component, setup.spec, outputs), setup.seed, dtype_of(setup))
        shape = shape_of_outputs(model, setup.spec)
        if shape != (2, outputs):
            raise ModelError(
                f"model {component.name!r} must return logits (N, {outputs}); for 2 samples of shape "
                f"{setup.spec.shape} it returns {shape or 'no tensor'}"
            )
        return model.to(device).train()


def lay_out(model: nn.Module, setup: EngineSetup, device: torch.device) -> torch.memory_format:
    """Lay a model's weights out for images as (N, H, W, C), where that is wanted and it can take them.

    A network of somebody's own may flatten images with `view`, or have weights of five dimensions: under `auto` it then
    stays as it is. Raises ModelError if it must not.
    """
    if takes_channels_last(setup, device):
        try:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            _try_channels_last(model, setup, device)
        except RuntimeError as error:
            if setup.channels_last is True:
                reason = first_line(error)
                raise ModelError(
                    f"train.channels_last: model {setup.model.name!r} does not take it: {reason}"
                ) from error
        else:
            return torch.channels_last
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return torch.contiguous_format


def _try_channels_last(model: nn.Module, setup: EngineSetup, device: torch.device) -> None:
    """Two samples forward and backward in evaluation mode, which leaves statistics and random states alone."""
    images = torch.zeros(2, *setup.spec.shape, dtype=dtype_of(setup), device=device)
    with torch.random.fork_rng(devices=[]):
        logits = model.eval()(images.contiguous(memory_format=torch.channels_last))
        if logits.requires_grad:
            logits.sum().backward()
    model.train().zero_grad()


def as_module(model: Plan | nn.Module, seed: int, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A plan as a module with the first weights that it has on every engine; a module as it is."""
    if isinstance(model, nn.Module):
        return model.to(dtype)
    module = nn.Sequential(*as_modules(model.layers)).to(dtype)
    arrays = model.first_arrays(rng.generator(seed, "weights"))
    module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return module


def _without_weights(component: Component[NoOptions]) -> Component[NoOptions]:
    """The same component, and those in its options, without the weights that it would start from: see FirstWeights."""
    return Component(component.name, _trained(component.options))


def _trained(options: Options) -> Any:
    changes: dict[str, Any] = {}
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if isinstance(value, Component):
            changes[name] = _without_weights(value)
        elif isinstance(value, tuple):  # the members of an ensemble
            changes[name] = tuple(_trained(item) if isinstance(item, Options) else item for item in value)
        elif any(isinstance(mark, FirstWeights) for mark in field.metadata):
            changes[name] = field.default
    return options.model_copy(update=changes)


def refuse_lone_sample(setup: EngineSetup, samples: int, model: nn.Module) -> None:
    """Batch normalisation of a single number is undefined. Raises UsageError when training would come to that."""
    complaint = lone_sample(setup, samples)
    if complaint is None:
        return
    lone = torch.zeros(1, *setup.spec.shape, dtype=dtype_of(setup), device=next(model.parameters()).device)
    trial = copy.deepcopy(model).train()
    if isinstance(trial, LearnsLater):
        trial.start_epoch(ALL_LEARN)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            trial(lone)
        except ValueError as error:
            raise UsageError(f"{complaint} this model cannot train on: {error}") from None
