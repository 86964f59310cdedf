"""The accuracy of every experiment: at the seed of its file, and as the median over other seeds.

    python benchmarks/accuracy.py                      all of them (about an hour on two cores)
    python benchmarks/accuracy.py blobs --seeds 10     one of them, over ten other seeds
    python benchmarks/accuracy.py mnist --set data.root=../shared/data

Every run is the real command line, `clfkit train CONFIG --set seed=S --json`. Printed as rows of Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

EXPERIMENTS = (
    "blobs", "moons", "spiral", "spiral_scratch", "spiral_nnfs_scratch", "digits", "iris", "table",
    "mnist", "mnist_fast", "mnist_best", "omniglot",
)  # fmt: skip


def clfkit(*arguments: str) -> dict[str, Any]:
    """The JSON that a clfkit command prints."""
    command = [sys.executable, "-m", "clfkit", *arguments, "--json", "--quiet"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure(config: str, seed: int | None, overrides: list[str], out: str) -> tuple[float, float, float]:
    """Test accuracy, train accuracy and seconds of one run."""
    sets = [*overrides, *([f"seed={seed}"] if seed is not None else [])]
    flags = [flag for text in sets for flag in ("--set", text)]
    start = time.perf_counter()
    run = clfkit("train", f"configs/{config}.yaml", "--out", out, *flags)
    seconds = time.perf_counter() - start
    train = clfkit("eval", "--checkpoint", run["run"], "--split", "train")
    return run["metrics"]["accuracy"], train["metrics"]["accuracy"], seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", default=EXPERIMENTS)
    parser.add_argument("--seeds", type=int, default=5, help="number of other seeds, from 0 on")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    print("| experiment | test, seed of the file | test, median of other seeds | lowest | train, median | seconds |")
    print("|---|---|---|---|---|---|")
    for name in arguments.experiments:
        config = Path(name).stem
        with tempfile.TemporaryDirectory() as out:
            first = measure(config, None, arguments.overrides, out)
            others = [measure(config, seed, arguments.overrides, out) for seed in range(arguments.seeds)]
        tests, trains = [run[0] for run in others], [run[1] for run in others]
        print(
            f"| {config} | {first[0]:.2%} | {statistics.median(tests):.2%} of {len(tests)} | {min(tests):.2%} "
            f"| {statistics.median(trains):.2%} | {statistics.median([r[2] for r in (first, *others)]):.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
