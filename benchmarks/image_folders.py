"""Image folders beside torchvision's: samples a second delivered to the model, in the first epoch and in later ones.

    python benchmarks/image_folders.py PHOTOS [--files 2000] [--size 160] [--batch 64] [--repeats 3] [--decoder NAME]

PHOTOS is a folder of class folders; its files are copied until there are enough. The peer is ImageFolder with Resize,
CenterCrop and ToTensor behind a DataLoader with two worker processes. Both begin with nothing known of the folder and
end with float batches on the CPU; they take turns, and the best of the repeats counts, once in wall time and once in
processor time, which other work on the machine disturbs less. clfkit itself sets GOMP_SPINCOUNT=1000.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch

from clfkit.components import datasets
from clfkit.data.batches import Batches
from clfkit.data.loading import load_bundle
from clfkit.engines.pytorch.feed import Feed, Normalizer
from clfkit.vision import torchvision

WORKERS = 2
CPU = torch.device("cpu")


def copies(photos: Path, folder: Path, count: int) -> Path:
    """A folder of class folders with `count` files, those of `photos` again and again."""
    sources = sorted(file for file in photos.glob("*/*") if file.is_file())
    for number, file in enumerate(islice(cycle(sources), count)):
        target = folder / file.parent.name / f"{number:06}{file.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return folder


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """How long it takes, and how much processor time, that of worker processes that have ended included."""
    start, before = time.perf_counter(), os.times()
    work()
    return time.perf_counter() - start, sum(os.times()[:4]) - sum(before[:4])


def count(batches: Iterable[Any]) -> int:
    """Samples in all batches, which are touched."""
    return sum(len(inputs) + 0 * int(inputs[0, 0, 0, 0] > 2) for inputs, _ in batches)


class Ours:
    """clfkit's feed of a folder: from files or cache, mapped or in memory."""

    def __init__(self, root: Path, size: int, batch: int, **options: object) -> None:
        data = {
            "name": "image_folder",
            "root": str(root),
            "size": size,
            "split": {"valid": 0.0, "test": 0.0},
            **options,
        }
        bundle = load_bundle(datasets.parse(data), seed=0)
        self.feed = Feed(bundle.train, Normalizer(bundle.spec, CPU), CPU)
        self.batches = Batches.of(len(bundle.train), batch, 0)

    def epoch(self, number: int) -> int:
        """Every batch of an epoch, normalised."""
        batches = self.feed.ahead(indices for _, indices in self.batches.epoch(number))
        return count(self.feed.batch(indices) for indices in batches)


def theirs(root: Path, size: int, batch: int) -> Callable[[], int]:
    """An epoch of torchvision's ImageFolder behind a DataLoader."""
    torchvision()
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = [transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor()]
    folder = ImageFolder(str(root), transforms.Compose(steps))
    loader = torch.utils.data.DataLoader(folder, batch, shuffle=True, num_workers=WORKERS)
    return lambda: count(loader)


def measure(root: Path, scratch: Path, size: int, batch: int, repeats: int, decoder: str) -> dict[str, list[float]]:
    """The best seconds, and the best processor seconds, of every way to go through the folder once."""
    times: dict[str, list[tuple[float, float]]] = {}

    def note(name: str, work: Callable[[], object]) -> None:
        times.setdefault(name, []).append(seconds(work))

    for repeat in range(repeats):
        cache = str(scratch / f"cache-{repeat}")
        made: list[Ours] = []

        def first(made: list[Ours] = made, cache: str = cache) -> None:
            made.append(Ours(root, size, batch, cache=cache, memory=1, decoder=decoder))
            made[0].epoch(0)

        note("torchvision", lambda: theirs(root, size, batch)())
        note("first epoch, into the cache", first)
        note("later epoch, mapped cache", lambda made=made: made[0].epoch(1))  # type: ignore[misc]
        made[:] = [Ours(root, size, batch, cache=cache, memory=100_000, decoder=decoder)]
        note("later epoch, in memory", lambda made=made: made[0].epoch(1))  # type: ignore[misc]
        made[:] = [Ours(root, size, batch, cache="off", memory=1, decoder=decoder)]
        note("any epoch, streamed", lambda made=made: made[0].epoch(1))  # type: ignore[misc]
    return {name: [min(column) for column in zip(*values, strict=True)] for name, values in times.items()}


def main() -> None:
    """Measure and print samples a second, and ratios to torchvision's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    for name, default in (("files", 2000), ("size", 160), ("batch", 64), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--decoder", default="pillow")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        root = copies(options.photos, scratch / "photos", options.files)
        best = measure(root, scratch, options.size, options.batch, options.repeats, options.decoder)
    for name, (wall, processor) in best.items():
        peer = best["torchvision"]
        print(
            f"{name:<28} {options.files / wall:>9,.0f} samples/s {peer[0] / wall:>7.2f} × "
            f"{1000 * processor / options.files:>8.3f} ms of processor {peer[1] / processor:>7.2f} ×"
        )


if __name__ == "__main__":
    main()
