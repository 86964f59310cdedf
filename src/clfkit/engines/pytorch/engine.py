"""The torch engine: one step forward, backward and along the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from clfkit.augmentations import Augmenter
from clfkit.data.bundle import FloatArray, IndexArray, Inputs, Split
from clfkit.engines.averaging import join, separate
from clfkit.engines.base import Arrays, EngineSetup, Footprint, StepResult, Totals, evaluation_batches
from clfkit.engines.pieces import Pieces, PieceTooLarge
from clfkit.engines.pytorch.average import TorchAverage
from clfkit.engines.pytorch.building import build_model, lay_out, refuse_lone_sample
from clfkit.engines.pytorch.device import (
    EVALUATION_NUMBERS,
    LARGE_EVALUATION,
    choose_device,
    choose_precision,
    default_generator,
    dtype_of,
    make_deterministic,
)
from clfkit.engines.pytorch.feed import Feed, Normalizer
from clfkit.engines.pytorch.footprint import Activations, lack_of_memory, out_of_memory, peak_of, size_of
from clfkit.engines.pytorch.guard import Guard
from clfkit.engines.pytorch.mixing import MixedFeed, Targets
from clfkit.engines.pytorch.optimizing import build_optimizer, by_rate, eager_step, parameter_groups, penalise, set_rate
from clfkit.engines.pytorch.roof import flops_a_second, flops_of_a_sample
from clfkit.engines.pytorch.state import fetch, from_arrays, optimizer_arrays, put_optimizer_arrays, to_arrays
from clfkit.engines.threads import choose_threads
from clfkit.freed_memory import keep_freed_memory
from clfkit.losses import build_loss
from clfkit.models.fine_tuning import LearnsLater
from clfkit.models.weight_files import weights_notes
from clfkit.world import own


class TorchEngine:
    """A torch module with its loss, optimizer and resident train samples. See `clfkit.engines.base.Engine`."""

    def __init__(self, setup: EngineSetup) -> None:
        if setup.deterministic:
            make_deterministic()
        self._setup = setup
        self.device = choose_device(setup.device, setup.world)
        precision = choose_precision(setup, self.device)
        self.loss = build_loss(setup.loss, setup.spec.classes, setup.class_counts)
        self.model = build_model(setup, self.loss.outputs, self.device)
        layout = lay_out(self.model, setup, self.device)
        self.parameters = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        self._threads = choose_threads(setup, self.parameters)
        self._bf16 = precision == "bf16"
        self.normalize = Normalizer(setup.spec, self.device, dtype_of(setup), layout)
        self._random = default_generator(self.device)
        self._feeds: dict[int, tuple[Split, Feed]] = {}
        self._optimizer: torch.optim.Optimizer | None = None
        self._average: TorchAverage | None = None
        self.decisions = {"device": str(self.device), "precision": precision, "threads": self._threads}
        if setup.spec.inputs == "image":
            self.decisions["channels"] = "last" if layout == torch.channels_last else "first"
        if notes := weights_notes(self.model):
            self.decisions["weights"] = "; ".join(notes)
        if setup.train is not None:
            self._prepare_training(setup.train)

    def _prepare_training(self, train: Split) -> None:
        self.pieces = Pieces(self._setup, partial(refuse_lone_sample, samples=len(train), model=self.model))
        augment = Augmenter(self._setup.augment, self._setup.spec, "torch")
        self._train = Feed(train, self.normalize, self.device, self._setup.resident, augment, self._setup.workers)
        self._mixed = MixedFeed(self._train, self._setup.mix, self._setup.spec) if self._setup.mix else None
        self._optimizer = build_optimizer(self._setup, self.model)
        self._step = eager_step(self._optimizer)
        self._guard = Guard(self._optimizer, self.device)
        self._learnable = [p for p in self.model.parameters() if p.requires_grad]
        self.start_epoch(1)
        self._average = TorchAverage(self.model, self._setup.ema) if self._setup.ema else None
        self.decisions["samples"] = "resident" if self._train.resident else "a batch at a time"

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """See Engine. The program that trains may draw from torch too: its random stream is put back as well.

        Raises MemoryError, whatever torch raises, when there is not enough.
        """
        threads, stream = torch.get_num_threads(), self._random.get_state()
        torch.set_num_threads(self._threads)
        keep_freed_memory()
        try:
            with out_of_memory():
                yield
        finally:
            torch.set_num_threads(threads)
            self._random.set_state(stream)

    def start_epoch(self, epoch: int) -> None:
        """See Engine. What does not learn in this epoch is not decayed either."""
        if isinstance(self.model, LearnsLater):
            self.model.start_epoch(epoch)
        self._decayed = by_rate(self.model, parameter_groups(self._setup, self.model)[0])

    def ahead(self, batches: Iterator[IndexArray]) -> Iterator[IndexArray]:
        """See Engine. One of several processes reads its own share ahead."""
        return self._train.ahead(batches, self._setup.world, self.pieces.count)

    def train_step(self, indices: IndexArray, lr: float, key: int, epoch_key: int = 0) -> StepResult:
        """See Engine. The gradient is that of the mean loss over the whole batch, however it is cut up."""
        assert self._optimizer is not None, "this engine was built without train samples"
        self._mode(training=True)
        world = self._setup.world
        shares = world.share(len(indices), self.pieces.count)
        mine = own(indices, shares)
        inputs, targets = self._batch(mine, epoch_key)
        weight = targets.weight(self.loss)
        share = world.total(weight) / world.size  # gradients are averaged over the processes, not summed
        self._random.manual_seed(key)
        self._learner = world.learner(self.model)
        sizes = [each.stop - each.start for each in shares]
        pieces = list(zip(torch.split(inputs, sizes), targets.split(sizes), strict=True))
        results = []
        try:
            for number, (part, answers) in enumerate(pieces):
                with world.piece(self._learner, number, len(indices), self.pieces.count):
                    results.append(self._learn(part, answers, share))
        except RuntimeError as error:
            if (lack := lack_of_memory(error)) is None:
                raise
            self._forget_gradients()
            raise PieceTooLarge(lack) from None
        sums = (torch.stack(values).sum() for values in zip(*results, strict=True))
        total, correct = results[0] if len(pieces) == 1 else sums
        skipped = self._guard.shut(total, self._learnable, world)
        if skipped is not True:
            self._update(lr)
        self._forget_gradients()
        return StepResult(total, weight, correct, len(mine), skipped)

    def _learn(self, inputs: Tensor, targets: Targets, weight: Tensor | float) -> tuple[Tensor, Tensor]:
        """Add the gradients of these samples; returns their summed loss and hits."""
        total, correct = self._forward(inputs, targets)
        self._backward(total / weight)
        return total.detach(), correct

    # The phases of a step: see clfkit.engines.base.PHASES

    def _batch(self, indices: IndexArray, epoch_key: int) -> tuple[Tensor, Targets]:
        if self._mixed is not None:
            return self._mixed.batch(indices, epoch_key)
        inputs, labels = self._train.batch(indices, epoch_key)
        return inputs, Targets(labels)

    def _forward(self, inputs: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        logits = self._logits(inputs, self._learner)
        return targets.total(self.loss, logits), (self.loss.predicted(logits.detach()) == targets.likeliest).sum()

    def _backward(self, loss: Tensor) -> None:
        torch.autograd.backward(loss)

    @torch.no_grad()
    def _update(self, lr: float) -> None:
        """Clip, penalise, and step along the gradient."""
        assert self._optimizer is not None
        if self._setup.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self._setup.clip_norm)
        penalise(self._decayed, self._setup.optimizer.options, lr)
        set_rate(self._optimizer, lr)
        self._step()
        if self._average is not None:
            self._average.follow()

    def _forget_gradients(self) -> None:
        for parameter in self._learnable:
            parameter.grad = None

    def _logits(self, inputs: Tensor, model: nn.Module | None = None) -> Tensor:
        model = self.model if model is None else model
        if not self._bf16:
            logits: Tensor = model(inputs)
            return logits
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = model(inputs)
        return logits.float()

    def footprint(self, indices: IndexArray) -> Footprint:
        """See Engine."""
        assert self._optimizer is not None, "this engine was built without train samples"
        peak_of(self.device)
        with Activations(self.model) as activations:
            self.train_step(indices, 0.0, 0)
        self.wait()
        moments = [tensor for state in self._optimizer.state.values() for tensor in state.values()]
        peak, available = peak_of(self.device) or (None, None)
        return Footprint(
            numbers=sum(parameter.numel() for parameter in self.model.parameters()),
            weights=size_of([*self.model.parameters(), *self.model.buffers()]), gradients=size_of(self._learnable),
            optimizer=size_of(moments) + (self._average.nbytes if self._average else 0),
            activations=activations.peak, samples=self._train.nbytes, peak=peak, available=available,
        )  # fmt: skip

    def read(self, results: Sequence[StepResult]) -> Totals:
        """See Engine."""
        return fetch(results).summed(self._setup.world)

    @torch.inference_mode()
    def score(self, split: Split) -> Totals:
        """See Engine. The split stays on the device, since training scores it after every epoch."""
        return fetch([self._score(*answer) for answer in self._answers(split)]).joined(self._setup.world)

    @torch.inference_mode()
    def evaluate(self, split: Split) -> tuple[FloatArray, Totals]:
        """See Engine."""
        parts, results = [np.empty((0, len(self._setup.spec.classes)), np.float32)], []
        for logits, labels in self._answers(split):
            parts.append(self._probabilities(logits))
            results.append(self._score(logits, labels))
        return np.concatenate(self._setup.world.gather(np.concatenate(parts))), fetch(results).joined(self._setup.world)

    @torch.inference_mode()
    def predict(self, inputs: Inputs) -> FloatArray:
        """See Engine."""
        parts = [np.empty((0, len(self._setup.spec.classes)), np.float32)]
        for indices in self._evaluation_batches(len(inputs)):
            samples = torch.from_numpy(np.ascontiguousarray(inputs[indices]))
            parts.append(self._probabilities(self._logits(self.normalize(samples))))
        return np.concatenate(parts)

    def _answers(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Logits and labels of a split, batch by batch in its own order; each process of a world has some of them."""
        if id(split) not in self._feeds:  # the split is kept too, so that its id stays its own
            feed = Feed(split, self.normalize, self.device, self._setup.resident, workers=self._setup.workers)
            self._feeds[id(split)] = split, feed
        feed, batches = self._feeds[id(split)][1], list(self._evaluation_batches(len(split)))
        for indices in feed.ahead(iter(batches[self._setup.world.share(len(batches))[0]])):
            inputs, labels = feed.batch(indices)
            yield self._logits(inputs), labels

    def _score(self, logits: Tensor, labels: Tensor) -> StepResult:
        total, weight = self.loss.torch(logits, labels)
        return StepResult(total, weight, (self.loss.predicted(logits) == labels).sum(), len(labels))

    def _probabilities(self, logits: Tensor) -> FloatArray:
        probabilities: FloatArray = self.loss.probabilities(logits).float().cpu().numpy()
        return probabilities

    def _evaluation_batches(self, count: int) -> Iterator[IndexArray]:
        self._mode(training=False)
        spec, numbers = self._setup.spec, EVALUATION_NUMBERS.get(self.device.type, LARGE_EVALUATION)
        return evaluation_batches(count, max(spec.features, len(spec.classes)), numbers)

    def _mode(self, *, training: bool) -> None:
        """Training mode with the trained weights, or evaluation mode with their average if there is one."""
        if self.model.training != training:
            self.model.train(training)
        if self._average is not None:
            self._average.show(not training)

    def wait(self) -> None:
        """See Engine."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)

    def roof(self) -> float:
        """See Engine."""
        dtype = dtype_of(self._setup)
        work = flops_of_a_sample(self.model, self._setup.spec.shape, dtype)
        if not work:
            return math.inf
        return flops_a_second(self.device, torch.bfloat16 if self._bf16 else dtype) / work

    def model_state(self) -> Arrays:
        """See Engine."""
        self._mode(training=False)
        return to_arrays(self.model.state_dict())

    def optimizer_state(self) -> Arrays:
        """See Engine."""
        if self._optimizer is None:
            return {}
        moments = optimizer_arrays(self._optimizer, self.model)
        if self._average is None:
            return moments
        self._mode(training=True)
        return join(moments, to_arrays(self.model.state_dict()), self._average)

    def load_state(self, model: Arrays, optimizer: Arrays | None = None) -> None:
        """See Engine."""
        moments, trained, averagings = separate(optimizer or {})
        from_arrays(self.model, model)
        if self._average is not None:
            self._average.restart(averagings)
        if self._optimizer is not None:
            put_optimizer_arrays(self._optimizer, self.model, moments)
            if trained:
                from_arrays(self.model, trained)
