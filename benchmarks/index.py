"""The start of a run on a folder of many image files: seconds and memory until all samples are known.

    python benchmarks/index.py [--files 150000] [--classes 1500] [--repeats 3] [--at DIR]

Builds the folder, of copies of one tiny JPEG, and removes it in the end. Ours is all that a start does before the first
image is decoded: the index (found out cold, read from its file warm), labels, split, ids, the state of every file, the
fingerprint and the key of the cache. The peer is torchvision's ImageFolder, which lists paths and classes and no more.
Every measurement is a process of its own, imports excluded; they take turns, and the best counts. The file system knows
the folder in all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def build(root: Path, files: int, classes: int) -> None:
    """Class folders with copies of one tiny JPEG, under names like ImageNet's."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (2, 2), "teal").save(file, "jpeg")
    for number in range(classes):
        folder = root / f"n{number:08}"
        folder.mkdir(parents=True)
        for position in range(number, files, classes):
            (folder / f"n{number:08}_{position:07}.JPEG").write_bytes(file.getvalue())


def ours(root: Path, cache: str) -> Callable[[], object]:
    """All that a start does; the limit of the cache keeps it from decoding."""
    import safetensors.numpy

    from clfkit.components import datasets
    from clfkit.data import index
    from clfkit.data.loading import load_bundle
    from clfkit.data.pixel_files import PixelFile

    options = {"root": str(root), "cache": cache, "cache_limit": 1e-9, "memory": 1, "normalize": False}
    data = datasets.parse({"name": "image_folder", "size": 160, **options})

    def start() -> object:
        bundle = load_bundle(data, seed=0)
        return bundle.fingerprint, PixelFile.of(Path(cache), bundle.train.inputs.inputs), index, safetensors  # type: ignore[attr-defined]

    return start


def theirs(root: Path, cache: str) -> Callable[[], object]:
    """torchvision's list of paths and classes."""
    from clfkit.vision import torchvision

    torchvision()
    from torchvision.datasets import ImageFolder

    return lambda: ImageFolder(str(root))


def child(name: str, root: Path, cache: str) -> None:
    """One measurement in this process, printed as JSON."""
    work = {"ours": ours, "torchvision": theirs}[name](root, cache)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    wall, processor = time.perf_counter(), processor_seconds()
    kept = work()
    told = {"wall": time.perf_counter() - wall, "processor": processor_seconds() - processor}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(told | {"memory": (peak - pages * resource.getpagesize()) / 1e6}))
    del kept


def processor_seconds() -> float:
    """Those of this process and of the processes that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(root: Path, scratch: Path, repeats: int) -> dict[str, dict[str, float]]:
    """The best of every figure for each way to start."""
    best: dict[str, dict[str, float]] = {}
    for repeat in range(repeats):
        cache = str(scratch / f"cache-{repeat}")
        for title, name in (("torchvision", "torchvision"), ("cold", "ours"), ("warm", "ours")):
            command = [sys.executable, __file__, "--child", name, str(root), cache]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            known = best.setdefault(title, told)
            best[title] = {key: min(value, known[key]) for key, value in told.items()}
    return best


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("files", 150_000), ("classes", 1500), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--at", type=Path, help="where the folder is built; by default in the temporary folder")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], Path(options.child[1]), options.child[2])
        return
    with tempfile.TemporaryDirectory(dir=options.at) as temporary:
        build(Path(temporary) / "photos", options.files, options.classes)
        time.sleep(2.5)  # folders that changed a moment ago are not trusted
        best = measure(Path(temporary) / "photos", Path(temporary), options.repeats)
    print(f"{options.files:,} files in {options.classes:,} folders")
    print(f"{'':<14}{'wall':>9}{'processor':>12}{'memory':>10}{'per million':>14}{'/ torchvision':>16}")
    for title, told in best.items():
        ratio = told["processor"] / best["torchvision"]["processor"]
        print(
            f"{title:<14}{told['wall']:>7.2f} s{told['processor']:>10.2f} s{told['memory']:>7.0f} MB"
            f"{told['memory'] * 1e6 / options.files:>11.0f} MB{ratio:>16.2f}"
        )


if __name__ == "__main__":
    main()
