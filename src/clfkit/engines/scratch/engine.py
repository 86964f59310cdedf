"""The NumPy engine: one step forward, backward and along the gradient."""

from __future__ import annotations

import timeit
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit import rng
from clfkit.augmentations import Augmenter
from clfkit.components import models, optimizers
from clfkit.data.bundle import FloatArray, IndexArray, Inputs, Split
from clfkit.engines.arrays import parameter_of
from clfkit.engines.averaging import join, separate
from clfkit.engines.base import Arrays, EngineSetup, Footprint, StepResult, Totals, evaluation_batches, lone_sample
from clfkit.engines.pieces import Pieces, PieceTooLarge
from clfkit.engines.scratch.average import ScratchAverage
from clfkit.engines.scratch.clipping import all_finite, clip_norm
from clfkit.engines.scratch.feed import Columns, Feed
from clfkit.engines.scratch.layers.batch_norm import BatchNorm
from clfkit.engines.scratch.losses import ScratchLoss
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.engines.scratch.network import Network
from clfkit.engines.scratch.optimizers import UpdateRule
from clfkit.engines.scratch.penalty import Penalty
from clfkit.engines.threads import choose_threads
from clfkit.errors import ModelError, UsageError
from clfkit.interruption import give_way
from clfkit.losses import build_loss
from clfkit.models.plan import Plan

EVALUATION_NUMBERS = 200_000
"""Input numbers in one batch of an evaluation: large enough for speed, small enough for memory."""

ROOF_SIDE = 1024
"""Rows of the matrices that are multiplied to see how fast the processor is."""


class ScratchEngine:
    """A network with its loss, its optimizer and the train samples. See `clfkit.engines.base.Engine`."""

    def __init__(self, setup: EngineSetup) -> None:
        self._setup = setup
        dtype = np.dtype("float64" if setup.precision == "fp64" else "float32")
        self.loss: ScratchLoss = build_loss(setup.loss, setup.spec.classes, setup.class_counts, "scratch")
        self.loss.allocate(Memory(dtype))
        self.network = build_network(setup, self.loss.outputs, dtype)
        self.parameters = self.network.weights.size
        self.decisions: dict[str, Any] = {"device": "cpu", "precision": "fp64" if setup.precision == "fp64" else "fp32"}
        self._columns = Columns(setup.spec, Memory(dtype))
        self._feeds: dict[int, tuple[Split, Feed]] = {}
        self._rule: UpdateRule | None = None
        self._average: ScratchAverage | None = None
        self._random = rng.Restartable()
        if setup.train is not None:
            self.decisions["threads"] = choose_threads(setup, self.parameters)
            refuse = partial(_refuse_lone_sample, samples=len(setup.train), network=self.network)
            self.pieces = Pieces(setup, refuse)
            self.train = Feed(setup.train, self._columns, Augmenter(setup.augment, setup.spec, "scratch"))
            self._rule = optimizers.build(setup.optimizer, self.parameters, dtype, engine="scratch")
            self.penalty = Penalty(setup.optimizer.options)
            self._average = ScratchAverage(self.network, setup.ema) if setup.ema else None

    def at_work(self) -> AbstractContextManager[object]:
        """See Engine. The threads are those of NumPy's matrix products."""
        from threadpoolctl import threadpool_limits

        limits: AbstractContextManager[object] = threadpool_limits(self.decisions.get("threads"), user_api="blas")
        return limits

    def start_epoch(self, epoch: int) -> None:
        """See Engine. A plan learns as a whole from the first step on."""

    def ahead(self, batches: Iterator[IndexArray]) -> Iterator[IndexArray]:
        """See Engine. Nothing is read ahead."""
        return batches

    def train_step(self, indices: IndexArray, lr: float, key: int, epoch_key: int = 0) -> StepResult:
        """See Engine. The gradient is that of the mean loss over the whole batch, however it is cut up."""
        assert self._rule is not None, "this engine was built without train samples"
        if self.network.random:
            self._random.restart(key)
        self._show(averaged=False)
        with np.errstate(all="ignore"):  # the trainer looks at the losses and says it in plain words
            x, labels = self._batch(indices, epoch_key)
            weight = self.loss.weight(labels)
            try:
                total, correct = self._differentiate(x, labels, weight)
            except MemoryError as error:
                raise PieceTooLarge(str(error)) from None
            finite = all_finite(total, self.network.gradient)
            if finite:
                self._update(lr)
        return StepResult(total, weight, correct, len(indices), not finite)

    def _differentiate(self, x: Array, labels: IndexArray, weight: float) -> tuple[float, int]:
        """Summed loss and hits of a batch; its gradient is in the network, from `accumulate` pieces in turn."""
        count, pieces = len(labels), self.pieces.count
        if pieces == 1:
            return self._one_piece(x, labels, weight)
        size, gradient = -(-count // pieces), np.zeros_like(self.network.gradient)
        total, correct = 0.0, 0
        for start in range(0, count, size):
            part = slice(start, start + size)
            loss, hits = self._one_piece(np.ascontiguousarray(x[..., part]), labels[part], weight)
            total, correct = total + loss, correct + hits
            gradient += self.network.gradient
        self.network.gradient[...] = gradient
        return total, correct

    def _one_piece(self, x: Array, labels: IndexArray, weight: float) -> tuple[float, int]:
        total, correct = self._forward(x, labels)
        self._backward(weight)
        return total, correct

    # The phases of a step: see clfkit.engines.base.PHASES

    def _batch(self, indices: IndexArray, epoch_key: int) -> tuple[Array, IndexArray]:
        return self.train.batch(indices, epoch_key)

    def _forward(self, x: Array, labels: IndexArray) -> tuple[float, int]:
        logits = self.network.forward(x, self._random.generator)
        return self.loss.forward(logits, labels), self._hits(logits, labels)

    def _backward(self, weight: float) -> None:
        self.network.backward(self.loss.backward(1 / weight))

    def _update(self, lr: float) -> None:
        """Clip, penalise, and step along the gradient."""
        assert self._rule is not None
        network, decayed = self.network, self.network.decayed
        if self._setup.clip_norm is not None:
            clip_norm(network.gradient, self._setup.clip_norm)
        self.penalty.learn(network.weights[:decayed], network.gradient[:decayed])
        self.penalty.shrink(network.weights[:decayed], lr)
        self._rule.steps += 1
        self._rule.update(network.weights, network.gradient, lr)
        if self._average is not None:
            self._average.follow()

    def _hits(self, logits: Array, labels: IndexArray) -> int:
        return int(np.count_nonzero(self.loss.predicted(logits) == labels))

    def footprint(self, indices: IndexArray) -> Footprint:
        """See Engine. Activations are all that layers and loss work in, and never give back."""
        assert self._rule is not None, "this engine was built without train samples"
        self.train_step(indices, 0.0, 0)
        network = self.network
        memories = [*(layer.memory for layer in network.layers), self.loss.memory, self._columns.memory]
        moments = sum(vector.nbytes for vector in self._rule.state.values())
        return Footprint(
            numbers=self.parameters, weights=network.weights.nbytes, gradients=network.gradient.nbytes,
            optimizer=moments + (self._average.nbytes if self._average else 0),
            activations=sum(memory.nbytes for memory in memories), samples=self.train.nbytes,
        )  # fmt: skip

    def read(self, results: Sequence[StepResult]) -> Totals:
        """See Engine. Nothing has to be waited for."""
        columns = ("loss", "weight", "correct", "count", "skipped")
        return Totals.of({name: np.array([result[at] for result in results]) for at, name in enumerate(columns)})

    def score(self, split: Split) -> Totals:
        """See Engine. A split's standardised features are kept, since training scores it after every epoch."""
        with np.errstate(all="ignore"):
            return self.read([self._score(logits, labels) for logits, labels in self._answers(split)])

    def evaluate(self, split: Split) -> tuple[FloatArray, Totals]:
        """See Engine."""
        parts, results = [np.empty((0, len(self._setup.spec.classes)), np.float32)], []
        with np.errstate(all="ignore"):
            for logits, labels in self._answers(split):
                results.append(self._score(logits, labels))
                parts.append(self.loss.probabilities(logits).T.astype(np.float32))
        return np.concatenate(parts), self.read(results)

    def _answers(self, split: Split) -> Iterator[tuple[Array, IndexArray]]:
        """Logits and labels of a split, batch by batch in its own order."""
        feed = self._feed(split)
        for indices in self._evaluation_batches(len(split)):
            give_way()
            x, labels = feed.batch(indices)
            yield self.network.infer(x), labels

    def _score(self, logits: Array, labels: IndexArray) -> StepResult:
        total = self.loss.forward(logits, labels)
        return StepResult(total, self.loss.weight(labels), self._hits(logits, labels), len(labels))

    def predict(self, inputs: Inputs) -> FloatArray:
        """See Engine."""
        parts = [np.empty((0, len(self._setup.spec.classes)), np.float32)]
        with np.errstate(all="ignore"):
            for indices in self._evaluation_batches(len(inputs)):
                logits = self.network.infer(self._columns(np.asarray(inputs[indices])))
                parts.append(self.loss.probabilities(logits).T.astype(np.float32))
        return np.concatenate(parts)

    def wait(self) -> None:
        """See Engine. NumPy never asks for anything that it does not wait for."""

    def roof(self) -> float:
        """See Engine. A step forms three products for each of the forward pass, two for those of the first layer."""
        plan: Plan = models.build(self._setup.model, self._setup.spec, self.loss.outputs, engine="scratch")
        first, *others = plan.multiplications(self._setup.spec.shape)
        matrix = np.ones((ROOF_SIDE, ROOF_SIDE), self.network.weights.dtype)
        seconds = min(timeit.repeat(lambda: matrix @ matrix, number=1, repeat=8))
        return ROOF_SIDE**3 / seconds / (2 * first + 3 * sum(others))

    def model_state(self) -> Arrays:
        """See Engine."""
        self._show(averaged=True)
        return self.network.arrays()

    def optimizer_state(self) -> Arrays:
        """See Engine. Named as torch's: `parameter/entry`, and `parameter/step` where torch counts."""
        if self._rule is None:
            return {}
        state = {
            f"{name}/{entry}": np.array(array)
            for entry, vector in self._rule.state.items()
            for name, array in self.network.named(vector).items()
        }
        if self._rule.counts:  # as torch has it, which counts in float32: exact to 16 million steps
            state |= {f"{name}/step": np.array(self._rule.steps, np.float32) for name in self.network.shapes}
        if self._average is not None:
            self._show(averaged=False)
            state = join(state, self.network.arrays(), self._average)
        return state

    def load_state(self, model: Arrays, optimizer: Arrays | None = None) -> None:
        """See Engine."""
        moments, trained, averagings = separate(optimizer or {})
        self.network.load(model)
        if self._average is not None:
            self._average.restart(averagings)
        if optimizer is None or self._rule is None:
            return
        if trained:
            self.network.load(trained)
        self._rule.steps = 0
        for vector in self._rule.state.values():
            vector.fill(0)
        for key, array in moments.items():
            name, entry = parameter_of(key, array, self.network.shapes)
            if entry == "step":
                self._rule.steps = int(array)
            elif entry in self._rule.state and array.ndim:
                self.network.named(self._rule.state[entry])[name][...] = array

    def _feed(self, split: Split) -> Feed:
        if id(split) not in self._feeds:  # the split is kept too, so that its id stays its own
            self._feeds[id(split)] = split, Feed(split, self._columns)
        return self._feeds[id(split)][1]

    def _show(self, *, averaged: bool) -> None:
        """The average of the weights, where there is one, or those that training goes on with."""
        if self._average is not None:
            self._average.show(averaged)

    def _evaluation_batches(self, count: int) -> Iterator[IndexArray]:
        self._show(averaged=True)
        spec = self._setup.spec
        return evaluation_batches(count, max(spec.features, len(spec.classes)), EVALUATION_NUMBERS)


def build_network(setup: EngineSetup, outputs: int, dtype: npt.DTypeLike) -> Network:
    """The network with first weights that depend on the seed alone, the same as on the torch engine.

    Raises ModelError when it does not fit into memory, or its layers do not fit the samples and each other.
    """
    what = f"model {setup.model.name!r} on inputs of shape {setup.spec.shape}"
    plan = models.build(setup.model, setup.spec, outputs, engine="scratch")
    try:
        arrays = plan.first_arrays(rng.generator(setup.seed, "weights"))
        network = Network(plan, arrays, dtype, decay_all=setup.optimizer.options.decay_all)
        shape = network.infer(np.zeros((*setup.spec.shape, 2), dtype)).shape
    except (MemoryError, ValueError, OverflowError) as error:  # NumPy has all three for arrays that are too large
        raise ModelError(f"{what}: {str(error) or type(error).__name__}") from error
    if shape != (outputs, 2):
        raise ModelError(f"{what} must return logits ({outputs}, N); for 2 samples it returns {shape}")
    if not network.shapes:
        raise ModelError(f"{what} has nothing to learn")
    return network


def _refuse_lone_sample(setup: EngineSetup, samples: int, network: Network) -> None:
    """Batch normalisation of a single number is undefined. Raises UsageError when training would come to that."""
    complaint = lone_sample(setup, samples)
    if complaint is None:
        return
    x = np.zeros((*setup.spec.shape, 1), network.weights.dtype)
    for layer in network.layers:
        if isinstance(layer, BatchNorm) and x[0].size == 1:
            raise UsageError(f"{complaint} batch normalisation cannot train on")
        x = layer.infer(x)
