"""The networks of the configs in plain torch."""

from __future__ import annotations

import itertools

import torch
from problems import Part, Problem
from torch import Tensor, nn


def network(problem: Problem) -> nn.Sequential:
    """configs/mnist.yaml's network for MNIST, for points a multilayer perceptron."""
    if problem.name == "mnist":
        return cnn()
    widths = [problem.train[0].shape[1], *problem.hidden]
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], problem.classes))


def cnn() -> nn.Sequential:
    """Three convolutions, each with ReLU and pooling as introductions write them, and a dense head with dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128 * 3 * 3, 256),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(256, 10),
    )


def tensors(part: Part) -> tuple[Tensor, Tensor]:
    """Inputs and labels as tensors."""
    return torch.from_numpy(part[0]), torch.from_numpy(part[1])
