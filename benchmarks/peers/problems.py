"""The problems that all peers solve: the same points and digits, networks and recipes as the configs of clfkit.

Only NumPy is imported here, so that a peer pays for what it uses itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Part = tuple[Array, Array]  # inputs float32, labels int64


@dataclass(frozen=True)
class Problem:
    """Standardised samples of three parts, and how to train on them. batch 0: the whole train split."""

    name: str
    train: Part
    valid: Part
    test: Part
    classes: int
    hidden: tuple[int, ...]
    batch: int
    epochs: int
    lr: float
    weight_decay: float = 0.0


POINTS: dict[str, dict[str, Any]] = {
    "blobs": {"classes": 5, "hidden": (16, 16), "batch": 32, "epochs": 100, "lr": 0.01},
    "moons": {"classes": 2, "hidden": (32, 32), "batch": 0, "epochs": 1000, "lr": 0.01},
    "spiral": {"classes": 3, "hidden": (64, 64), "batch": 0, "epochs": 1000, "lr": 0.01},
}
MNIST: dict[str, Any] = {"classes": 10, "hidden": (256,), "batch": 128, "epochs": 5, "lr": 5e-4, "weight_decay": 1e-4}
MNIST_VALID = 5000


def load(name: str, seed: int, root: str) -> Problem:
    """The problem of that name; `root` is the folder that holds MNIST/raw."""
    if name == "mnist":
        return Problem(name, *_digits(Path(root) / "MNIST" / "raw", seed), **MNIST)
    inputs, labels = _points(name)
    order = np.random.default_rng(seed).permutation(len(labels))
    test, valid, train = np.split(order, [len(order) // 5, len(order) // 5 + len(order) // 10])
    mean, std = inputs[train].mean(axis=0), inputs[train].std(axis=0)
    scaled = ((inputs - mean) / std).astype(np.float32)
    train_part, valid_part, test_part = ((scaled[part], labels[part]) for part in (train, valid, test))
    return Problem(name, train_part, valid_part, test_part, **POINTS[name])


def _points(name: str) -> Part:
    """The points of configs/<name>.yaml; of the spiral with noise of its own."""
    if name == "blobs":
        from sklearn.datasets import make_blobs

        return _part(make_blobs(5000, centers=5, random_state=42))
    if name == "moons":
        from sklearn.datasets import make_moons

        return _part(make_moons(1000, noise=0.15, random_state=42))
    labels = np.repeat(np.arange(3), 300)
    radius = np.tile(np.linspace(0, 1, 300), 3)
    angle = 4 * labels + 4 * radius + np.random.default_rng(42).normal(0, 0.2, len(labels))
    return _part((np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), labels))


def _part(pair: tuple[Array, Array]) -> Part:
    return pair[0], pair[1].astype(np.int64)


def _digits(folder: Path, seed: int) -> tuple[Part, Part, Part]:
    """MNIST as most programs hold it: standardised float32 (N, 1, 28, 28)."""
    images, labels = _idx(folder / "train-images-idx3-ubyte"), _idx(folder / "train-labels-idx1-ubyte")
    order = np.random.default_rng(seed).permutation(len(labels))
    valid, train = order[:MNIST_VALID], order[MNIST_VALID:]
    test = _idx(folder / "t10k-images-idx3-ubyte"), _idx(folder / "t10k-labels-idx1-ubyte")
    return _scaled(images[train], labels[train]), _scaled(images[valid], labels[valid]), _scaled(*test)


def _scaled(images: Array, labels: Array) -> Part:
    scaled = (images[:, None].astype(np.float32) / 255 - np.float32(0.1307)) / np.float32(0.3081)
    return scaled, labels.astype(np.int64)


def _idx(path: Path) -> Array:
    content = path.read_bytes()
    shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape.tolist())


def batches_of(problem: Problem) -> int:
    """Optimizer steps in one epoch."""
    size = problem.batch or len(problem.train[1])
    return math.ceil(len(problem.train[1]) / size)
