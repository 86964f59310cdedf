"""The rows of the speed benchmark: what is measured, against whom, and what was promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from measuring import Bench, Claim
from rows import digits, gpu, points, starting


@dataclass(frozen=True)
class Row:
    """A measurement and its title."""

    title: str
    measure: Callable[[Bench], list[Claim]]


ROWS: dict[int, Row] = {
    1: Row("blobs in batches of 32", points.blobs),
    2: Row("moons and spiral, full batch", points.full_batch),
    3: Row("tiny networks against scikit-learn", points.scikit_learn),
    4: Row("a tiny run beside a busy process", points.busy),
    5: Row("an epoch of MNIST", digits.epoch),
    6: Row("time to 99 % on MNIST", digits.to_99),
    7: Row("the best accuracy on MNIST", digits.best_accuracy),
    8: Row("our loop against one by hand", digits.by_hand),
    9: Row("time to the first step", starting.first_step),
    10: Row("commands that need no torch", starting.light_commands),
    11: Row("blobs with all figures", starting.with_figures),
    12: Row("evaluation of 10,000 digits", digits.evaluation),
    13: Row("memory of the MNIST run", digits.memory),
    15: Row("on a GPU", gpu.epoch),
}
"""Row 14, the cost as work grows, is benchmarks/scaling.py."""
