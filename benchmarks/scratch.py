"""How fast the NumPy engine is, against textbook NumPy and plain PyTorch doing the same steps.

    python benchmarks/scratch.py                                  spiral, blobs and the whole command
    python benchmarks/scratch.py mnist --root ../shared/data      an epoch of the CNN, both engines
    python benchmarks/scratch.py spiral --repeats 5

Peers take turns in one process, each repeat once; the best of the repeats counts. Every ratio is the time of the
NumPy engine divided by that of the peer. Run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clfkit.components import engines
from clfkit.config import ExperimentConfig, load_config
from clfkit.data.batches import Batches
from clfkit.data.bundle import DataBundle
from clfkit.data.loading import load_bundle
from clfkit.engines.base import Engine, EngineSetup
from clfkit.experiment import run_experiment
from clfkit.progress import Quiet
from clfkit.registry import Component
from clfkit.run import RunDirectory

Array = npt.NDArray[Any]

SPIRAL = """
name: bench
seed: 1
engine: scratch
data: {name: spiral, classes: 3, points: 100, test_points: 10, split: {valid: 0}}
model: {name: mlp, hidden: [64], dropout: 0.1}
train:
  epochs: 10000
  batch_size: full
  optimizer: {name: adam, lr: 0.02, weight_decay: 5e-4}
  checkpoint_every: {epochs: 10000}
plots: []
"""
BLOBS = """
name: bench
seed: 1
engine: scratch
data: {name: blobs, seed: 42, samples: 5000, classes: 5, split: {valid: 0.1, test: 0.2}}
model: {name: mlp, hidden: [16, 16]}
train: {epochs: 100, batch_size: 32, optimizer: {name: adam, lr: 0.01}, checkpoint_every: {epochs: 50}}
plots: []
"""
TORCH_SCRIPT = """
import numpy, torch
torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Linear(2, 64), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(64, 3))
optimizer = torch.optim.Adam(net.parameters(), lr=0.02, weight_decay=5e-4)
criterion = torch.nn.CrossEntropyLoss()
draw = numpy.random.default_rng(1)
r, arm = numpy.tile(numpy.linspace(0, 1, 100), 3), numpy.repeat(numpy.arange(3), 100)
angle = 4 * arm + 4 * r + draw.normal(0, 0.2, 300)
x = torch.tensor(numpy.stack([r * numpy.sin(angle), r * numpy.cos(angle)], 1), dtype=torch.float32)
y = torch.tensor(arm)
for epoch in range(1000):
    optimizer.zero_grad()
    logits = net(x)
    loss = criterion(logits, y)
    loss.backward()
    optimizer.step()
    loss.item(), (logits.argmax(1) == y).float().mean().item()
"""


class Textbook:
    """The steps of an MLP with one hidden layer as introductions write them: float64, samples in rows, fresh arrays."""

    def __init__(self, inputs: Array, labels: Array) -> None:
        self.inputs, self.labels = inputs.astype(np.float64), labels
        self.draw = np.random.default_rng(1)
        sizes = ((2, 64), (1, 64), (64, 3), (1, 3))
        self.parameters = [0.1 * self.draw.normal(size=size) for size in sizes]
        self.means = [np.zeros(size) for size in sizes]
        self.squares = [np.zeros(size) for size in sizes]
        self.steps = 0

    def step(self, lr: float = 0.02, decay: float = 5e-4, rate: float = 0.1) -> tuple[float, float]:
        """Forward, loss, accuracy, backward and Adam."""
        w1, b1, w2, b2 = self.parameters
        x, y, count = self.inputs, self.labels, len(self.labels)
        z1 = np.dot(x, w1) + b1
        a1 = np.maximum(0, z1)
        mask = self.draw.binomial(1, 1 - rate, size=a1.shape) / (1 - rate)
        d1 = a1 * mask
        z2 = np.dot(d1, w2) + b2
        exponentials = np.exp(z2 - np.max(z2, axis=1, keepdims=True))
        p = exponentials / np.sum(exponentials, axis=1, keepdims=True)
        loss = np.mean(-np.log(np.clip(p[range(count), y], 1e-7, 1))) + 0.5 * decay * (np.sum(w1**2) + np.sum(w2**2))
        accuracy = np.mean(np.argmax(p, axis=1) == y)
        dz2 = p.copy()
        dz2[range(count), y] -= 1
        dz2 = dz2 / count
        dw2, db2 = np.dot(d1.T, dz2) + decay * w2, np.sum(dz2, axis=0, keepdims=True)
        dz1 = np.dot(dz2, w2.T) * mask
        dz1[z1 <= 0] = 0
        dw1, db1 = np.dot(x.T, dz1) + decay * w1, np.sum(dz1, axis=0, keepdims=True)
        self.steps += 1
        for i, gradient in enumerate((dw1, db1, dw2, db2)):
            self.means[i] = 0.9 * self.means[i] + 0.1 * gradient
            self.squares[i] = 0.999 * self.squares[i] + 0.001 * gradient**2
            mean, square = self.means[i] / (1 - 0.9**self.steps), self.squares[i] / (1 - 0.999**self.steps)
            self.parameters[i] = self.parameters[i] - lr * mean / (np.sqrt(square) + 1e-8)
        return float(loss), float(accuracy)


def config_of(text: str, *overrides: str) -> ExperimentConfig:
    """An experiment from YAML."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(text)
        return load_config(path, overrides)


def build(config: ExperimentConfig, bundle: DataBundle, name: str) -> Engine:
    """An engine with the config's model."""
    batches = Batches.of(len(bundle.train), config.train.batch_size, config.seed)
    setup = EngineSetup(
        spec=bundle.spec, model=config.model, loss=config.train.loss, optimizer=config.train.optimizer,
        train=bundle.train, class_counts=bundle.train.counts(len(bundle.spec.classes)), seed=config.seed,
        batch_size=batches.batch_size, threads=config.train.threads,
    )  # fmt: skip
    engine: Engine = engines.build(Component(name, engines.entry(name).options()), setup)
    return engine


def whole_run(config: ExperimentConfig) -> None:
    """The experiment with history, checkpoints and evaluation, as the command line runs it."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory.create(Path(folder), config, "bench")
        run_experiment(run, config, Quiet())


def plain_torch(
    config: ExperimentConfig, bundle: DataBundle, epochs: int, loader: bool, decay: float = 0.0
) -> Callable[[], None]:
    """A loop as people write it, with loss and accuracy of every epoch on train and valid."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)  # two are slower for so little work

    def tensors(part: Any) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = (np.asarray(part.inputs) - bundle.spec.mean) / bundle.spec.std
        return torch.tensor(inputs, dtype=torch.float32), torch.from_numpy(part.labels)

    (x, y), (x_valid, y_valid) = tensors(bundle.train), tensors(bundle.valid)
    options: Any = config.model.options
    layers: list[nn.Module] = []
    width = bundle.spec.features
    for hidden in options.hidden:
        layers += [nn.Linear(width, hidden), nn.ReLU(), *([nn.Dropout(options.dropout)] if options.dropout else [])]
        width = hidden
    net = nn.Sequential(*layers, nn.Linear(width, len(bundle.spec.classes)))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=decay)
    criterion = nn.CrossEntropyLoss()
    size = len(x) if config.train.batch_size == "full" else config.train.batch_size

    def batches() -> Any:
        if loader and size < len(x):
            return DataLoader(TensorDataset(x, y), batch_size=size, shuffle=True)
        if size >= len(x):
            return [(x, y)]
        order = torch.randperm(len(x))
        return ((x[at], y[at]) for at in order.split(size))

    def train() -> None:
        for _ in range(epochs):
            net.train()
            total, hits = 0.0, 0
            for inputs, labels in batches():
                optimizer.zero_grad()
                logits = net(inputs)
                loss = criterion(logits, labels)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(labels)
                hits += int((logits.argmax(1) == labels).sum())
            if len(x_valid):
                net.eval()
                with torch.no_grad():
                    logits = net(x_valid)
                    criterion(logits, y_valid).item(), int((logits.argmax(1) == y_valid).sum())

    return train


def best_of(repeats: int, peers: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each, the best of `repeats` rounds in which all take turns."""
    times: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(repeats):
        for name, work in peers.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: min(seconds) for name, seconds in times.items()}


def report(title: str, seconds: Mapping[str, float], ours: str, steps: int) -> None:
    """Time a step of each, and the ratios."""
    print(f"\n{title}")
    for name, value in seconds.items():
        ratio = "" if name == ours else f"   {ours} / {name} = {seconds[ours] / value:.3f}"
        print(f"  {name:42s} {1e6 * value / steps:10.1f} µs a step{ratio}", flush=True)


def spiral(repeats: int) -> None:
    """300 points, Dense 64, Adam, L2, dropout, 10,000 iterations."""
    config = config_of(SPIRAL)
    steps = config.train.epochs
    bundle = load_bundle(config.data, config.data_seed)
    book = Textbook(np.asarray(bundle.train.inputs), bundle.train.labels)
    engine, every = build(config, bundle, "scratch"), np.arange(len(bundle.train))

    def engine_steps() -> None:
        with engine.at_work():
            engine.read([engine.train_step(every, 0.02, step) for step in range(steps)])

    seconds = best_of(
        repeats,
        {
            "engine": engine_steps,
            "textbook NumPy": lambda: [book.step() for _ in range(steps)],
            "plain PyTorch": plain_torch(config, bundle, steps, loader=False, decay=5e-4),
        },
    )
    report("spiral, 300 points, MLP 2-64-3, dropout, L2, Adam, full batch: steps with loss and accuracy", seconds,
           "engine", steps)  # fmt: skip
    seconds["whole run"] = best_of(repeats, {"whole run": lambda: whole_run(config)})["whole run"]
    del seconds["engine"]
    report("the same with history, checkpoints and evaluation", seconds, "whole run", steps)


def blobs(repeats: int) -> None:
    """Batches of 32, MLP 2-16-16-5, metrics of every epoch."""
    config = config_of(BLOBS)
    bundle = load_bundle(config.data, config.data_seed)
    epochs = config.train.epochs
    steps = epochs * Batches.of(len(bundle.train), 32, 1).per_epoch
    seconds = best_of(
        repeats,
        {
            "whole run": lambda: whole_run(config),
            "plain PyTorch, DataLoader": plain_torch(config, bundle, epochs, loader=True),
            "plain PyTorch, indexed tensors": plain_torch(config, bundle, epochs, loader=False),
        },
    )
    report("blobs, batches of 32, MLP 2-16-16-5, Adam, metrics of every epoch", seconds, "whole run", steps)


def mnist(repeats: int, root: str, steps: int) -> None:
    """The three-convolution net: steps of both engines on the same cores."""
    text = (Path(__file__).parents[1] / "configs" / "mnist.yaml").read_text()
    config = config_of(text, f"data.root={root}")
    bundle = load_bundle(config.data, config.data_seed)
    batches = list(Batches.of(len(bundle.train), 128, 1).epoch(0))[:steps]
    built = {name: build(config, bundle, name) for name in ("scratch", "torch")}

    def work(engine: Engine) -> Callable[[], None]:
        def run() -> None:
            with engine.at_work():
                engine.read([engine.train_step(indices, 5e-4, step) for step, (_, indices) in enumerate(batches)])

        return run

    seconds = best_of(repeats, {name: work(engine) for name, engine in built.items()})
    report(f"MNIST CNN 32-64-128, batches of 128, fp32, {len(batches)} steps, {built['torch'].decisions}", seconds,
           "scratch", len(batches))  # fmt: skip


def command(repeats: int) -> None:
    """The whole command for 1,000 epochs of the spiral, against a script that imports torch and trains the same."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(SPIRAL.replace("10000", "1000"))
        train = [sys.executable, "-m", "clfkit", "train", str(path), "--out", folder, "--quiet"]
        peers = {
            "clfkit train, no figures": lambda: subprocess.run(train, check=True),
            "clfkit train, all figures": lambda: subprocess.run([*train, "--set", "plots=auto"], check=True),
            "script: import torch, train": lambda: subprocess.run([sys.executable, "-c", TORCH_SCRIPT], check=True),
            "clfkit train, engine: torch": lambda: subprocess.run([*train, "--set", "engine=torch"], check=True),
        }
        print("\nwhole commands, spiral, 1,000 epochs")
        for name, seconds in best_of(repeats, peers).items():
            print(f"  {name:42s} {seconds:6.2f} s", flush=True)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["spiral", "blobs", "command"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--root", default="data", help="folder that holds MNIST/raw")
    parser.add_argument("--steps", type=int, default=10**9, help="of the MNIST epoch, if not all")
    arguments = parser.parse_args()
    work: dict[str, Callable[[], None]] = {
        "spiral": lambda: spiral(arguments.repeats),
        "blobs": lambda: blobs(arguments.repeats),
        "mnist": lambda: mnist(arguments.repeats, arguments.root, arguments.steps),
        "command": lambda: command(arguments.repeats),
    }
    for what in arguments.what:
        work[what]()


if __name__ == "__main__":
    main()
