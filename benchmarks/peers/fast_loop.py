"""The fastest loop that one would write by hand with the data, the network and the kernels of clfkit's torch engine.

    python benchmarks/peers/fast_loop.py configs/mnist.yaml train.epochs=1 data.root=FOLDER

Standardised samples lie in memory as one tensor, an epoch is a permutation, a batch one gather; the optimizer is fused,
and losses are read once an epoch. It keeps no history, writes no checkpoint and cannot resume. What is left between it
and `clfkit train` is the price of clfkit's loop.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from telling import tell
from torch import Tensor, nn

from clfkit.config import ExperimentConfig, load_config
from clfkit.data.batches import Batches
from clfkit.data.bundle import DataBundle, Split
from clfkit.data.loading import load_bundle
from clfkit.engines.base import EngineSetup
from clfkit.engines.pytorch.engine import TorchEngine

EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Loop:
    """A network, its optimizer and the resident samples."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    criterion: nn.Module
    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]

    def epoch(self, size: int) -> tuple[float, float]:
        """One pass over the train split: loss and accuracy."""
        inputs, labels = self.train
        self.model.train()
        losses, hits = [], []
        for at in torch.randperm(len(labels)).split(size):
            batch, answers = inputs[at], labels[at]
            logits = self.model(batch)
            loss = self.criterion(logits, answers)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
            hits.append((logits.argmax(dim=1) == answers).sum())
        return torch.stack(losses).mean().item(), torch.stack(hits).sum().item() / len(labels)

    @torch.inference_mode()
    def evaluate(self, part: tuple[Tensor, Tensor]) -> tuple[float, float]:
        """Loss and accuracy."""
        self.model.eval()
        pairs = zip(*(tensor.split(EVALUATION_BATCH) for tensor in part), strict=True)
        answers = [(self.model(inputs), labels) for inputs, labels in pairs]
        hits = torch.stack([(logits.argmax(dim=1) == labels).sum() for logits, labels in answers])
        losses = torch.stack([self.criterion(logits, labels) * len(labels) for logits, labels in answers])
        return losses.sum().item() / len(part[1]), hits.sum().item() / len(part[1])


def resident(split: Split, bundle: DataBundle) -> tuple[Tensor, Tensor]:
    """All samples of a split, standardised, and their labels."""
    inputs = np.asarray(split.inputs, np.float32)
    shape = (1, -1) + (1,) * (inputs.ndim - 2)
    mean, std = (np.array(numbers, np.float32).reshape(shape) for numbers in (bundle.spec.mean, bundle.spec.std))
    return torch.from_numpy((inputs - mean) / std), torch.from_numpy(split.labels)


def build(config: ExperimentConfig, bundle: DataBundle) -> tuple[TorchEngine, Loop]:
    """The engine, for its network and its choice of threads, and the loop around that network."""
    train = config.train
    setup = EngineSetup(
        spec=bundle.spec, model=config.model, loss=train.loss, optimizer=train.optimizer, train=bundle.train,
        class_counts=bundle.train.counts(len(bundle.spec.classes)), seed=config.seed,
        batch_size=Batches.of(len(bundle.train), train.batch_size, config.seed).batch_size,
    )  # fmt: skip
    engine, options = TorchEngine(setup), train.optimizer.options
    rate: float = options.lr  # type: ignore[attr-defined]
    optimizer = torch.optim.Adam(engine.model.parameters(), rate, weight_decay=options.weight_decay, fused=True)
    parts = [resident(split, bundle) for split in (bundle.train, bundle.valid, bundle.test)]
    return engine, Loop(engine.model, optimizer, nn.CrossEntropyLoss(), *parts)


def main() -> None:
    """Train, evaluate, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    config = load_config(asked.config, [*asked.overrides, f"seed={asked.seed}"])
    engine, loop = build(config, load_bundle(config.data, config.data_seed))
    size = config.train.batch_size
    assert isinstance(size, int), "this loop is for batches"
    torch.manual_seed(config.seed)
    with engine.at_work():
        start = time.perf_counter()
        for _ in range(config.train.epochs):
            loop.epoch(size)
            loop.evaluate(loop.valid)
        trained = time.perf_counter()
        _, accuracy = loop.evaluate(loop.test)
    tell(trained - start, time.perf_counter() - trained, accuracy, epochs=config.train.epochs)


if __name__ == "__main__":
    main()
