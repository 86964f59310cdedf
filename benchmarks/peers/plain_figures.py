"""configs/blobs.yaml as a script: torch, scikit-learn, matplotlib; it trains, scores and draws six figures.

    python benchmarks/peers/plain_figures.py --out FOLDER

Early stopping and the step schedule are those of the config; every figure is saved as PNG and SVG, as clfkit's are.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from networks import network, tensors
from plain import batches, evaluate
from problems import Problem, load
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from telling import tell
from torch import nn

EPOCHS, BATCH, LR, PATIENCE = 100, 128, 0.1, 20

History = dict[str, list[float]]


def train(problem: Problem, model: nn.Module) -> tuple[History, nn.Module]:
    """Adam with a step schedule until the valid loss has not fallen for 20 epochs; the history and the best model."""
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.5)
    loader, valid = batches(problem.train, BATCH, shuffle=True), batches(problem.valid, 0)
    names = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr", "steps")
    history: History = {name: [] for name in names}
    best, best_loss, since = copy.deepcopy(model), float("inf"), 0
    for epoch in range(EPOCHS):
        model.train()
        total, correct = 0.0, 0
        for inputs, labels in loader:
            optimizer.zero_grad()
            logits = model(inputs)
            loss = criterion(logits, labels)
            loss.backward()
            optimizer.step()
            history["steps"].append(loss.item())
            total += loss.item() * len(labels)
            correct += (logits.argmax(dim=1) == labels).sum().item()
        valid_loss, valid_accuracy = evaluate(model, valid, criterion, "cpu")
        count = len(problem.train[1])
        for name, value in zip(names, (total / count, correct / count, valid_loss, valid_accuracy), strict=False):
            history[name].append(value)
        history["lr"].append(optimizer.param_groups[0]["lr"])
        schedule.step()
        print(f"epoch {epoch + 1}: train {total / count:.4f} {correct / count:.2%} valid {valid_loss:.4f}")
        since += 1
        if valid_loss < best_loss:
            best, best_loss, since = copy.deepcopy(model), valid_loss, 0
        if since >= PATIENCE:
            break
    return history, best


def save(figure: Any, out: Path, name: str) -> None:
    """Both formats."""
    figure.tight_layout()
    for suffix in ("png", "svg"):
        figure.savefig(out / f"{name}.{suffix}", dpi=120)
    plt.close(figure)


def draw_boundary(problem: Problem, models: dict[str, nn.Module], out: Path) -> None:
    """Regions before and after training, with the train and test points and the mistakes."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 5))
    inputs, labels = problem.test
    low, high = problem.train[0].min(axis=0) - 0.5, problem.train[0].max(axis=0) + 0.5
    x, y = np.meshgrid(np.linspace(low[0], high[0], 300), np.linspace(low[1], high[1], 300))
    grid = torch.tensor(np.stack([x.ravel(), y.ravel()], axis=1), dtype=torch.float32)
    for ax, (title, model) in zip(axes, models.items(), strict=True):
        with torch.no_grad():
            regions = model(grid).argmax(dim=1).numpy().reshape(x.shape)
            wrong = model(torch.from_numpy(inputs)).argmax(dim=1).numpy() != labels
        ax.contourf(x, y, regions, levels=np.arange(problem.classes + 1) - 0.5, cmap="tab10", alpha=0.3)
        ax.scatter(*problem.train[0].T, c=problem.train[1], cmap="tab10", s=4)
        ax.scatter(*inputs.T, c=labels, cmap="tab10", s=14, edgecolors="white", linewidths=0.4)
        ax.scatter(*inputs[wrong].T, facecolors="none", edgecolors="black", s=40)
        ax.set_title(f"{title}: {1 - wrong.mean():.1%}")
    save(figure, out, "boundary")


def draw_curves(history: History, out: Path) -> None:
    """Loss and accuracy, the learning rate, and the loss of every step."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    for ax, what in zip(axes, ("loss", "accuracy"), strict=True):
        for part in ("train", "valid"):
            ax.plot(history[f"{part}_{what}"], label=part)
        ax.set_xlabel("epoch")
        ax.set_ylabel(what)
        ax.legend()
    save(figure, out, "curves")
    for name, ylabel in (("lr", "learning rate"), ("steps", "loss of a step")):
        figure, ax = plt.subplots()
        ax.plot(history[name])
        ax.set_ylabel(ylabel)
        save(figure, out, name)


def draw_data(problem: Problem, out: Path) -> None:
    """The points of each split, and how many there are of each class."""
    figure, axes = plt.subplots(1, 4, figsize=(16, 4))
    parts = {"train": problem.train, "valid": problem.valid, "test": problem.test}
    for ax, (name, (inputs, labels)) in zip(axes, parts.items(), strict=False):
        ax.scatter(*inputs.T, c=labels, cmap="tab10", s=8)
        ax.set_title(f"{name}: {len(labels)}")
        axes[3].bar(np.arange(problem.classes), np.bincount(labels), alpha=0.6, label=name)
    axes[3].legend()
    save(figure, out, "data")


def main() -> None:
    """Train, score, draw, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    problem = load("blobs", asked.seed, "")
    torch.manual_seed(asked.seed)
    model = network(problem)
    initial = copy.deepcopy(model)
    start = time.perf_counter()
    history, best = train(problem, model)
    trained = time.perf_counter()
    inputs, labels = tensors(problem.test)
    with torch.no_grad():
        predicted = best(inputs).argmax(dim=1)
    print(classification_report(labels, predicted, digits=4))
    scored = time.perf_counter()
    asked.out.mkdir(parents=True, exist_ok=True)
    draw_boundary(problem, {"before": initial, "after": best}, asked.out)
    draw_curves(history, asked.out)
    draw_data(problem, asked.out)
    save(ConfusionMatrixDisplay.from_predictions(labels, predicted, cmap="Blues").figure_, asked.out, "confusion")
    drawing = time.perf_counter() - scored
    accuracy = float((predicted == labels).float().mean())
    tell(trained - start, scored - trained, accuracy, drawing=drawing, epochs=len(history["lr"]))


if __name__ == "__main__":
    main()
