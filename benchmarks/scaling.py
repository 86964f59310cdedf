"""Seconds and memory as work grows, row 14 of the speed benchmark: docs/images/scaling.png.

    python benchmarks/scaling.py                       rows of a table, parameters, classes (a quarter of an hour)
    python benchmarks/scaling.py classes --cut 2       one of them, without its two largest sizes; draws what is kept
    python benchmarks/scaling.py --draw                only the figure again, from benchmarks/scaling.json

Every point is one `clfkit train` of one epoch on an .npz file of random clusters, with evaluation and all figures.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import ROOT, run, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULTS = ROOT / "benchmarks/scaling.json"
FIGURE = ROOT / "docs/images/scaling.png"
FEATURES = 10


@dataclass(frozen=True)
class Work:
    """One run: a table of `rows` rows and `classes` classes, and an MLP with two layers of `width` units."""

    rows: int = 20_000
    classes: int = 5
    width: int = 32
    batch: int = 1024

    @property
    def parameters(self) -> int:
        """Weights and biases of the network."""
        return (FEATURES + 1) * self.width + (self.width + 1) * self.width + (self.width + 1) * self.classes


@dataclass(frozen=True)
class Sweep:
    """Runs that differ in one size."""

    title: str
    works: tuple[Work, ...]
    size: Callable[[Work], int]


SWEEPS = {
    "rows": Sweep("rows of a table", tuple(Work(rows=10**power) for power in range(3, 8)), lambda work: work.rows),
    "parameters": Sweep(
        "parameters of an MLP", tuple(Work(width=2**power) for power in (4, 6, 8, 10, 12)), lambda work: work.parameters
    ),
    "classes": Sweep(
        "classes, 40,000 rows",
        tuple(Work(rows=40_000, classes=classes) for classes in (2, 20, 200, 2000, 20_000)),
        lambda work: work.classes,
    ),
}


def main() -> None:
    """Measure what is asked for, then draw all that is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="*", choices=[[], *SWEEPS], metavar="SWEEP", help=", ".join(SWEEPS))
    parser.add_argument("--cut", type=int, default=0, help="leave out so many of the largest sizes")
    parser.add_argument("--draw", action="store_true", help="only draw")
    asked = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    for name in () if asked.draw else asked.sweeps or SWEEPS:
        sweep = SWEEPS[name]
        say(f"\n{sweep.title}")
        results[name] = [measure(sweep, work) for work in sweep.works[: len(sweep.works) - asked.cut]]
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    draw(results)
    for name, points in results.items():
        say(f"{name}: whole command grows with the power {exponent(points, 'whole'):.2f} at the largest sizes")


def measure(sweep: Sweep, work: Work) -> dict[str, float]:
    """One run: its size, seconds of the whole command and of its parts, peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        make_table(Path(folder) / "table.npz", work)
        config = Path(folder) / "scaling.yaml"
        config.write_text(
            f"name: scaling\ndata: {{name: table, root: {folder}/table.npz}}\n"
            f"model: {{name: mlp, hidden: [{work.width}, {work.width}]}}\n"
            f"train: {{epochs: 1, batch_size: {work.batch}}}\n"
        )
        place = ["--out", folder, "--run-id", "run", "--quiet"]
        outcome = run([sys.executable, "-m", "clfkit", "train", str(config), *place])
        timing = json.loads((Path(folder) / "scaling/run/status.json").read_text())["timing"]
    point = {"size": float(sweep.size(work)), "whole": outcome.wall, "memory": outcome.memory, **timing}
    parts = ", ".join(f"{name} {timing[name]:.2f}" for name in ("start", "training", "evaluation", "drawing"))
    say(f"  {sweep.size(work):>12,}: {outcome.wall:7.2f} s ({parts}), {outcome.memory:,.0f} MB")
    return point


def make_table(path: Path, work: Work) -> None:
    """Clusters of points, in a process of its own, so that this one stays small."""
    code = (
        "import numpy as np; draw = np.random.default_rng(0)\n"
        f"labels = draw.permutation(np.arange({work.rows}) % {work.classes})\n"
        f"centres = 3 * draw.standard_normal(({work.classes}, {FEATURES}), np.float32)\n"
        f"inputs = centres[labels] + draw.standard_normal(({work.rows}, {FEATURES}), np.float32)\n"
        f"np.savez({str(path)!r}, x=inputs, y=labels)"
    )
    run([sys.executable, "-c", code])


def exponent(points: list[dict[str, float]], measure: str) -> float:
    """The slope on logarithmic axes from the last size but one to the last: 1 is linear growth."""
    if len(points) < 2:
        return math.nan
    before, last = points[-2:]
    return math.log(last[measure] / before[measure]) / math.log(last["size"] / before["size"])


def draw(results: dict[str, Any]) -> None:
    """Seconds above, memory below; a dotted line shows what linear growth looks like."""
    from matplotlib.figure import Figure

    from clfkit.plots.style import styled

    lines = {"whole": "whole command", "training": "training", "evaluation": "evaluation", "drawing": "figures"}
    with styled():
        figure = Figure(figsize=(11.5, 6.5))
        grid = figure.subplots(2, len(results), squeeze=False, sharey="row", sharex="col")
        for (name, points), (above, below) in zip(results.items(), grid.T, strict=True):
            _draw_lines(above, points, lines)
            _draw_lines(below, points, {"memory": "peak memory"})
            below.set_xlabel(SWEEPS[name].title)
            above.set_title(f"power {exponent(points, 'whole'):.2f} at the end")
        _limit(grid[0], results, list(lines))
        _limit(grid[1], results, ["memory"])
        grid[0, 0].set_ylabel("seconds")
        grid[1, 0].set_ylabel("MB")
        grid[0, -1].legend(loc="lower right", fontsize=8)
        grid[1, 0].legend(loc="upper left", fontsize=8)
        figure.suptitle("Cost of one epoch as work grows; dotted: linear growth")
        figure.savefig(FIGURE)


def _limit(row: Any, results: dict[str, Any], measures: list[str]) -> None:
    """One range for all axes of a row, that of the measurements: the dotted lines would make it much longer."""
    values = [max(point[measure], 1e-3) for points in results.values() for point in points for measure in measures]
    row[0].set_ylim(min(values) / 2, 2 * max(values))


def _draw_lines(axes: Axes, points: list[dict[str, float]], lines: dict[str, str]) -> None:
    sizes = [point["size"] for point in points]
    for (measure, title), marker in zip(lines.items(), "os^D", strict=False):
        axes.plot(sizes, [max(point[measure], 1e-3) for point in points], marker=marker, markersize=4, label=title)
    last = points[-1][next(iter(lines))]
    axes.plot(sizes, [last * size / sizes[-1] for size in sizes], linestyle="dotted", color="#888888")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(True)


if __name__ == "__main__":
    main()
