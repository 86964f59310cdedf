"""What every peer is asked and what it answers: arguments, and one line of JSON on standard output."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

from problems import POINTS, Problem, load


def arguments(description: str | None, **more: Any) -> tuple[Problem, argparse.Namespace]:
    """The problem that was asked for and the other options. more: name → default of options of the peer's own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("problem", choices=[*POINTS, "mnist"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="by default those of the config")
    parser.add_argument("--root", default="data", help="folder that holds MNIST/raw")
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    asked = parser.parse_args()
    problem = load(asked.problem, asked.seed, asked.root)
    if asked.epochs is not None:
        problem = dataclasses.replace(problem, epochs=asked.epochs)
    return problem, asked


def tell(training: float, evaluation: float, accuracy: float, **more: Any) -> None:
    """Seconds of training with its metrics of every epoch, seconds of the evaluation on test, accuracy there."""
    print(json.dumps({"training": training, "evaluation": evaluation, "accuracy": accuracy, **more}), flush=True)
