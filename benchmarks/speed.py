"""Rows of speed, each beside its named peer: `make bench ROOT=folder of MNIST`.

    python benchmarks/speed.py                                  all rows, in 40 minutes
    python benchmarks/speed.py 1 5 --repeats 3 --root FOLDER    some of them; FOLDER holds MNIST/raw
    python benchmarks/speed.py 1 --quick                        a tenth of the epochs, to see that it works
    python benchmarks/speed.py --write                          the page again from the results that are kept

Ours is the real command line, the peers are the scripts in benchmarks/peers; the best of the repeats counts. Results
are kept in benchmarks/results.json, and the table of docs/performance.md is written from them; rows that were not
measured keep what they had. Run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import tempfile
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from measuring import ROOT, Bench, Unavailable, run, say
from page import line, write_page
from rows import ROWS

RESULTS = ROOT / "benchmarks/results.json"
LIBRARIES = ("torch", "numpy", "scikit-learn", "matplotlib", "lightning", "skorch")


def main() -> None:
    """Measure what is asked for."""
    asked = parse()
    if asked.write:
        write_page(read_results())
        return
    with tempfile.TemporaryDirectory() as out:
        bench = Bench(asked.repeats, str(Path(asked.root).resolve()), Path(out), asked.quick)
        for number in asked.rows or ROWS:
            measure(number, bench)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", type=int, choices=[[], *ROWS], metavar="ROW")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--root", default="data", help="folder that holds MNIST/raw")
    parser.add_argument("--quick", action="store_true", help="a tenth of the epochs; nothing is kept")
    parser.add_argument("--write", action="store_true", help="only write the page")
    return parser.parse_args()


def measure(number: int, bench: Bench) -> None:
    """One row: measured, printed, kept at once, so that a later row that fails costs nothing."""
    row = ROWS[number]
    say(f"\n{number}. {row.title}")
    try:
        claims = row.measure(bench)
    except (Unavailable, RuntimeError) as reason:
        say(f"  not measured: {reason}")
        return
    for each in claims:
        say(f"  {line(dataclasses.asdict(each) | {'verdict': each.verdict})}")
    if bench.quick:
        return
    results = read_results()
    results[str(number)] = {
        "title": row.title,
        "measured": datetime.now(UTC).date().isoformat(),
        "repeats": bench.repeats,
        "machine": machine(),
        "versions": versions(),
        "claims": [dataclasses.asdict(each) | {"ratio": each.ratio, "verdict": each.verdict} for each in claims],
    }
    ordered = dict(sorted(results.items(), key=lambda item: int(item[0])))
    RESULTS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page(ordered)


def read_results() -> dict[str, Any]:
    """What is kept of every row."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def machine() -> str:
    """The processor and how many of its cores there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    except OSError:
        names = []
    return f"{len(names) or '?'} × {names[0] if names else platform.processor() or platform.machine()}"


def versions() -> dict[str, str]:
    """Python and the libraries that were compared; of clfkit the commit."""
    found = {"python": platform.python_version(), "clfkit": commit()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The short name of the commit that was measured, if git knows."""
    try:
        return run(["git", "rev-parse", "--short", "HEAD"]).output.strip()
    except (RuntimeError, OSError):
        return "unknown"


if __name__ == "__main__":
    main()
