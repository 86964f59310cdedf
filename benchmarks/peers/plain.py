"""The loop that people write: TensorDataset, DataLoader, loss.item() in every step, torch's default threads.

    python benchmarks/peers/plain.py blobs
    python benchmarks/peers/plain.py mnist --root FOLDER --epochs 1
    python benchmarks/peers/plain.py mnist --until 0.99       epochs until this share of the test images is right

Where the batch is the whole train split there is no DataLoader. Loss and accuracy are measured on the train and the
valid split in every epoch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch
from networks import network, tensors
from problems import Part
from telling import arguments, tell
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

EVALUATION_BATCH = 1000  # as in the examples of PyTorch

Batches = Iterable[tuple[Tensor, Tensor]]


def batches(part: Part, size: int, shuffle: bool = False) -> Batches:
    """The part in batches, or all of it in one."""
    if not size:
        return [tensors(part)]
    return DataLoader(TensorDataset(*tensors(part)), batch_size=size, shuffle=shuffle)


def train_epoch(
    model: nn.Module, loader: Batches, criterion: nn.Module, optimizer: torch.optim.Optimizer, device: str
) -> tuple[float, float]:
    """One pass over the train split; returns its loss and accuracy."""
    model.train()
    total, correct, count = 0.0, 0, 0
    for inputs, labels in loader:
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        logits = model(inputs)
        loss = criterion(logits, labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        correct += (logits.argmax(dim=1) == labels).sum().item()
        count += len(labels)
    return total / count, correct / count


@torch.no_grad()
def evaluate(model: nn.Module, loader: Batches, criterion: nn.Module, device: str) -> tuple[float, float]:
    """Loss and accuracy."""
    model.eval()
    total, correct, count = 0.0, 0, 0
    for inputs, labels in loader:
        inputs, labels = inputs.to(device), labels.to(device)
        logits = model(inputs)
        total += criterion(logits, labels).item() * len(labels)
        correct += (logits.argmax(dim=1) == labels).sum().item()
        count += len(labels)
    return total / count, correct / count


def main() -> None:
    """Train, evaluate, tell."""
    problem, asked = arguments(__doc__, until=0.0, device="cpu")
    torch.manual_seed(asked.seed)
    model = network(problem).to(asked.device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=problem.lr, weight_decay=problem.weight_decay)
    evaluation_batch = EVALUATION_BATCH if problem.batch else 0
    train = batches(problem.train, problem.batch, shuffle=True)
    watched = batches(problem.test if asked.until else problem.valid, evaluation_batch)

    start = time.perf_counter()
    epochs = 0
    while epochs < problem.epochs:
        train_epoch(model, train, criterion, optimizer, asked.device)
        _, accuracy = evaluate(model, watched, criterion, asked.device)
        epochs += 1
        if asked.until and accuracy >= asked.until:
            break
    trained = time.perf_counter()
    _, accuracy = evaluate(model, batches(problem.test, evaluation_batch), criterion, asked.device)
    tell(trained - start, time.perf_counter() - trained, accuracy, epochs=epochs)


if __name__ == "__main__":
    main()
