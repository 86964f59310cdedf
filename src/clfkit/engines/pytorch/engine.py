"""The torch engine: one step forward, backward and along the gradient."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from clfkit import rng
from clfkit.components import NoOptions, models, optimizers
from clfkit.data.bundle import FloatArray, IndexArray, Inputs, Split
from clfkit.engines.base import Arrays, EngineSetup, StepResult, Totals, evaluation_batches, lone_sample
from clfkit.engines.pytorch.device import choose_device, make_deterministic
from clfkit.engines.pytorch.feed import Feed, Normalizer
from clfkit.engines.pytorch.state import from_arrays, optimizer_arrays, put_optimizer_arrays, to_arrays
from clfkit.engines.threads import choose_threads
from clfkit.errors import ModelError, UsageError
from clfkit.losses import build_loss
from clfkit.models.modules import as_modules
from clfkit.models.plan import Plan
from clfkit.models.trial import refusals, shape_of_outputs
from clfkit.registry import Component

CPU = torch.device("cpu")
NORMALISATION = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)  # _NormBase: batch and instance norm of any kind
EVALUATION_NUMBERS = 1_000_000
"""Inputs, or outputs where they are more, in one batch of an evaluation: enough for speed, few enough for memory."""


class TorchEngine:
    """A torch module with its loss, optimizer and resident train samples. See `clfkit.engines.base.Engine`."""

    def __init__(self, setup: EngineSetup) -> None:
        if setup.deterministic:
            make_deterministic()
        self.device = choose_device(setup.device)
        self.loss = build_loss(setup.loss, setup.spec.classes, setup.class_counts)
        self.model = build_model(setup, self.loss.outputs, self.device)
        self.parameters = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        self._threads = choose_threads(setup, self.parameters)
        self.decisions = {"device": str(self.device), "precision": setup.precision, "threads": self._threads}
        self._setup = setup
        self._bf16 = setup.precision == "bf16"
        self._normalize = Normalizer(setup.spec, self.device, dtype_of(setup))
        self._random = default_generator(self.device)
        self._feeds: dict[int, tuple[Split, Feed]] = {}
        self._optimizer: torch.optim.Optimizer | None = None
        if setup.train is not None:
            _refuse_lone_sample(setup, len(setup.train), self.model)
            self._train = Feed(setup.train, self._normalize, self.device)
            self._optimizer = build_optimizer(setup, self.model)
            self._decayed = parameter_groups(setup, self.model)[0]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """See Engine."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def train_step(self, indices: IndexArray, lr: float, key: int) -> StepResult:
        """See Engine. The gradient is that of the mean loss over the whole batch, however it is cut up."""
        assert self._optimizer is not None, "this engine was built without train samples"
        if not self.model.training:
            self.model.train()
        inputs, labels = self._train.batch(indices)
        weight = self.loss.weight(labels)
        before = self._random.get_state()  # the program that trains may draw from torch too; leave it its stream
        self._random.manual_seed(key)
        try:
            total, correct = self._backward(inputs, labels, weight)
        finally:
            self._random.set_state(before)
        if self._setup.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self._setup.clip_norm)
        self._shrink(lr)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._optimizer.step()
        self._optimizer.zero_grad()
        return StepResult(total, weight, correct, len(indices))

    def _shrink(self, lr: float) -> None:
        """The penalties that are not the optimizer's own: L1, and decay that passes the gradient by."""
        options = self._setup.optimizer.options
        with torch.no_grad():
            if options.l1:
                for parameter in self._decayed:
                    if parameter.grad is not None:
                        parameter.grad.add_(parameter.sign(), alpha=options.l1)
            if options.decoupled and options.weight_decay and self._decayed:
                torch._foreach_mul_(self._decayed, 1 - lr * options.weight_decay)

    def _backward(self, inputs: Tensor, labels: Tensor, weight: Tensor | float) -> tuple[Tensor, Tensor]:
        """Gradients of the batch, worked through in `accumulate` pieces; returns summed loss and hits."""
        pieces = self._setup.accumulate
        totals, hits = [], []
        for part, answers in zip(inputs.chunk(pieces), labels.chunk(pieces), strict=True):
            logits = self._logits(part)
            total, _ = self.loss.torch(logits, answers)
            torch.autograd.backward(total / weight)
            totals.append(total.detach())
            hits.append((self.loss.predicted(logits) == answers).sum())
        if pieces == 1:
            return totals[0], hits[0]
        return torch.stack(totals).sum(), torch.stack(hits).sum()

    def _logits(self, inputs: Tensor) -> Tensor:
        if not self._bf16:
            logits: Tensor = self.model(inputs)
            return logits
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.model(inputs)
        return logits.float()

    def read(self, results: Sequence[StepResult]) -> Totals:
        """See Engine."""
        return Totals(
            _fetch([r.loss for r in results]).astype(np.float64),
            _fetch([r.weight for r in results]).astype(np.float64),
            _fetch([r.correct for r in results]).astype(np.int64),
            np.array([r.samples for r in results], np.int64),
        )

    @torch.inference_mode()
    def score(self, split: Split) -> Totals:
        """See Engine. The split stays on the device, since training scores it after every epoch."""
        feed = self._feed(split)
        results = []
        for indices in self._evaluation_batches(len(split)):
            inputs, labels = feed.batch(indices)
            logits = self._logits(inputs)
            total, weight = self.loss.torch(logits, labels)
            correct = (self.loss.predicted(logits) == labels).sum()
            results.append(StepResult(total, weight, correct, len(indices)))
        return self.read(results)

    def _feed(self, split: Split) -> Feed:
        if id(split) not in self._feeds:  # the split is kept too, so that its id stays its own
            self._feeds[id(split)] = split, Feed(split, self._normalize, self.device)
        return self._feeds[id(split)][1]

    @torch.inference_mode()
    def predict(self, inputs: Inputs) -> FloatArray:
        """See Engine."""
        parts = [np.empty((0, len(self._setup.spec.classes)), np.float32)]
        for indices in self._evaluation_batches(len(inputs)):
            samples = torch.from_numpy(np.ascontiguousarray(inputs[indices]))
            logits = self._logits(self._normalize(samples))
            parts.append(self.loss.probabilities(logits).float().cpu().numpy())
        return np.concatenate(parts)

    def _evaluation_batches(self, count: int) -> Iterator[IndexArray]:
        if self.model.training:
            self.model.eval()
        spec = self._setup.spec
        return evaluation_batches(count, max(spec.features, len(spec.classes)), EVALUATION_NUMBERS)

    def model_state(self) -> Arrays:
        """See Engine."""
        return to_arrays(self.model.state_dict())

    def optimizer_state(self) -> Arrays:
        """See Engine."""
        return {} if self._optimizer is None else optimizer_arrays(self._optimizer, self.model)

    def load_state(self, model: Arrays, optimizer: Arrays | None = None) -> None:
        """See Engine."""
        from_arrays(self.model, model)
        if optimizer is not None and self._optimizer is not None:
            put_optimizer_arrays(self._optimizer, self.model, optimizer)


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


def as_module(model: Plan | nn.Module, seed: int, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A plan as a module with the first weights that it has on every engine; a module as it is."""
    if isinstance(model, nn.Module):
        return model.to(dtype)
    module = nn.Sequential(*as_modules(model.layers)).to(dtype)
    arrays = model.first_arrays(rng.generator(seed, "weights"))
    module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return module


def _without_weights(component: Component[NoOptions]) -> Component[NoOptions]:
    """The same component, and those in its options, without the `weights` that it would start from."""
    changes: dict[str, Any] = {}
    for name, field in type(component.options).model_fields.items():
        value = getattr(component.options, name)
        if isinstance(value, Component):
            changes[name] = _without_weights(value)
        elif name == "weights" and field.default is None:
            changes[name] = None
    return Component(component.name, component.options.model_copy(update=changes))


def _refuse_lone_sample(setup: EngineSetup, samples: int, model: nn.Module) -> None:
    """Batch normalisation of a single number is undefined. Raises UsageError when training would come to that."""
    complaint = lone_sample(setup, samples)
    if complaint is None:
        return
    lone = torch.zeros(1, *setup.spec.shape, device=next(model.parameters()).device)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            copy.deepcopy(model).train()(lone)
        except ValueError as error:
            raise UsageError(f"{complaint} this model cannot train on: {error}") from None


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


def build_optimizer(setup: EngineSetup, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of the config; an L2 penalty goes into its gradient, decoupled decay does not."""
    decayed, free = parameter_groups(setup, model)
    options = setup.optimizer.options
    penalty = 0.0 if options.decoupled else options.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": decay}
        for parameters, decay in ((decayed, penalty), (free, 0.0))
        if parameters
    ]
    optimizer: torch.optim.Optimizer = optimizers.build(setup.optimizer, groups)
    return optimizer


def dtype_of(setup: EngineSetup) -> torch.dtype:
    """The type of weights and inputs."""
    return torch.float64 if setup.precision == "fp64" else torch.float32


def default_generator(device: torch.device) -> torch.Generator:
    """The generator that torch's own layers (dropout and the like) draw from on this device."""
    if device.type == "cuda":
        torch.cuda.current_device()  # makes the generators
        return torch.cuda.default_generators[device.index or 0]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator


def _fetch(values: list[Any]) -> Any:
    """0-d tensors or numbers as one array, with a single transfer."""
    if values and isinstance(values[0], Tensor):
        return torch.stack(values).cpu().numpy()
    return np.array(values)
