"""Augmentation of a batch against torchvision's pipeline a sample: random resized crop, flip and affine, on one core.

    python benchmarks/augmentation.py [--rounds 5]

Both get the same colour images as bytes in memory and return one batch; rounds take turns, the best of each counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import count

import numpy as np
import torch

from clfkit.augmentations import Augmenter
from clfkit.components import augmentations
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.freed_memory import keep_freed_memory
from clfkit.vision import torchvision

SIZES = (28, 64, 160)
BATCH = 128
REACH = 5.0


def ours(images: torch.Tensor) -> Callable[[], torch.Tensor]:
    """All images at once, float32 from 0 to 255."""
    _, channels, height, width = images.shape
    spec = DataSpec(
        inputs="image", shape=(channels, height, width), classes=ClassMap(names=("a", "b")), mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )  # fmt: skip
    chosen = [
        {"name": "random_resized_crop", "scale": (0.5, 1.0)}, "flip",
        {"name": "affine", "degrees": 15.0, "translate": 0.1, "scale": (0.9, 1.1), "shear": 10.0},
    ]  # fmt: skip
    augment = Augmenter([augmentations.parse(each) for each in chosen], spec, "torch")
    epochs, samples = count(), np.arange(len(images))
    return lambda: augment(images, next(epochs), samples)


def theirs(images: torch.Tensor) -> Callable[[], torch.Tensor]:
    """One image after the other, as a Dataset's transform, then stacked; bytes."""
    torchvision()
    from torchvision.transforms import InterpolationMode, v2

    pipeline = v2.Compose(
        [
            v2.RandomResizedCrop(images.shape[2:], scale=(0.5, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(15, (0.1, 0.1), (0.9, 1.1), (-10, 10, -10, 10), InterpolationMode.BILINEAR),
        ]
    )
    return lambda: torch.stack([pipeline(image) for image in images])


def seconds(work: Callable[[], torch.Tensor]) -> float:
    """Processor seconds of one call, of one thread: other processes do not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    keep_freed_memory()  # as in training, for both
    random = np.random.default_rng(0)
    for size in SIZES:
        images = torch.from_numpy(random.integers(0, 256, (BATCH, 3, size, size)).astype(np.uint8))
        works = [ours(images), theirs(images)]
        for work in works:
            work()
        mine, peer = np.min([[seconds(work) for work in works] for _ in range(rounds)], axis=0)
        print(
            f"{BATCH} images of 3×{size}×{size}: ours {1e3 * mine:.1f} ms, torchvision v2 {1e3 * peer:.1f} ms, "
            f"{peer / mine:.1f} times as fast (reach {REACH:g})"
        )


if __name__ == "__main__":
    main()
