"""RandAugment and TrivialAugment: which operations are drawn, how strong they are, and what each does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.stats import chisquare, kstest

from clfkit import rng
from clfkit.augmentations import Augmenter, rand_augment, trivial_augment
from clfkit.augmentations._policies import Operation
from clfkit.components import augmentations
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.vision import torchvision

OPERATIONS = 14
HEIGHT, WIDTH = 24, 32


def augmented(chosen: dict[str, Any], images: torch.Tensor) -> torch.Tensor:
    spec = DataSpec(
        inputs="image", shape=tuple(images.shape[1:]), classes=ClassMap(names=("a", "b")),
        mean=(0.0,) * images.shape[1], std=(1.0,) * images.shape[1],
    )  # fmt: skip
    augment = Augmenter([augmentations.parse(chosen)], spec, "torch")
    found: torch.Tensor = augment(images, rng.key(3, "epoch", 1), np.arange(len(images)))
    return found


class Written:
    """Operations that write their number into an image of one pixel, as another digit, and remember their amounts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.amounts: dict[int, list[npt.NDArray[np.float64]]] = {number: [] for number in range(OPERATIONS)}
        for module in (rand_augment, trivial_augment):
            monkeypatch.setattr(module, "operations", lambda shape, fill: self.operations())

    def operations(self) -> list[Operation]:
        def write(number: int) -> Any:
            def apply(images: torch.Tensor, amounts: npt.NDArray[np.float64]) -> torch.Tensor:
                self.amounts[number].append(amounts)
                return images * OPERATIONS + number

            return apply

        return [
            Operation(write(number), gentle=2.0, wide=4.0, still=1.0, signed=number % 2 == 0)
            for number in range(OPERATIONS)
        ]

    def drawn(self, chosen: dict[str, Any], samples: int, times: int) -> npt.NDArray[np.int64]:
        """(samples, times): the operations in their order."""
        numbers = augmented(chosen, torch.zeros(samples, 1, 1, 1)).flatten().long().numpy()
        return np.stack([numbers // OPERATIONS**place % OPERATIONS for place in reversed(range(times))], axis=1)


def test_operations_are_drawn_uniformly_with_replacement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the n on its own: all 14 × 14 pairs of neighbours are equally frequent, equal ones among them."""
    written = Written(monkeypatch)
    drawn = written.drawn({"name": "rand_augment", "operations_each": 3, "magnitude": 0.25}, 9800, 3)
    for place in range(3):
        assert chisquare(np.bincount(drawn[:, place], minlength=OPERATIONS)).pvalue > 1e-3
    for first, second in ((0, 1), (1, 2), (0, 2)):
        pairs = np.bincount(drawn[:, first] * OPERATIONS + drawn[:, second], minlength=OPERATIONS**2)
        assert chisquare(pairs).pvalue > 1e-3
        assert pairs.reshape(OPERATIONS, OPERATIONS).diagonal().min() > 20
    for number, found in written.amounts.items():
        amounts = np.concatenate(found)
        strong, weak = amounts == 1 + 2 * 0.25, amounts == 1 - 2 * 0.25
        assert (strong | weak).all(), "one strength for all"
        assert weak.mean() == pytest.approx(0.5 if number % 2 == 0 else 0, abs=0.05)


def test_the_number_of_operations_is_the_one_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch)
    for times in (1, 2, 5):
        before = sum(map(len, (np.concatenate(each) for each in written.amounts.values() if each)))
        written.drawn({"name": "rand_augment", "operations_each": times}, 100, times)
        after = sum(map(len, (np.concatenate(each) for each in written.amounts.values() if each)))
        assert after - before == 100 * times


def test_trivial_augment_draws_one_and_its_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch)
    drawn = written.drawn({"name": "trivial_augment"}, 7000, 1)
    assert chisquare(np.bincount(drawn[:, 0], minlength=OPERATIONS)).pvalue > 1e-3
    reaches = np.concatenate([np.concatenate(found) for found in written.amounts.values()]) - 1
    assert len(reaches) == 7000
    assert kstest(np.abs(reaches) / 4, "uniform").pvalue > 1e-3


def expected(image: torch.Tensor, magnitude: float) -> dict[str, torch.Tensor]:
    """What each operation of torchvision's RandAugment makes of a picture (C, H, W) of bytes, by its name and sign.

    It moves by whole pixels and slants about a corner: those four are asked for of its `affine` instead.
    """
    torchvision()
    from torchvision.transforms.v2 import InterpolationMode, RandAugment, functional

    bilinear, bins = InterpolationMode.BILINEAR, 31
    policy = RandAugment(num_magnitude_bins=bins)
    slant = math.degrees(math.atan(0.3 * magnitude))
    moves = {
        "ShearX": ([0, 0], [slant, 0.0]), "ShearY": ([0, 0], [0.0, slant]),
        "TranslateX": ([150 / 331 * WIDTH * magnitude, 0], [0.0, 0.0]),
        "TranslateY": ([0, 150 / 331 * HEIGHT * magnitude], [0.0, 0.0]),
    }  # fmt: skip
    found = {}
    for name, (range_of, signed) in policy._AUGMENTATION_SPACE.items():
        range_ = range_of(bins, HEIGHT, WIDTH)
        for sign in (1, -1) if signed else (1,):
            if name in moves:
                shift, shear = ([sign * each for each in part] for part in moves[name])
                made = functional.affine(image.float(), 0.0, shift, 1.0, shear, interpolation=bilinear)
            else:
                amount = 0.0 if range_ is None else sign * float(range_[round(magnitude * (bins - 1))])
                whole = name in ("Posterize", "Solarize", "Equalize")
                given = image if whole else image.float() / 255
                made = policy._apply_image_or_video_transform(given, name, amount, bilinear, {torch.Tensor: None})
                made = made.float() if whole else 255 * made
            found[f"{name} {sign}"] = made
    return found


def test_every_operation_is_torchvisions() -> None:
    """The same picture many times: each result is what torchvision makes of it, all of its operations occur."""
    magnitude, image = 0.5, torch.from_numpy(np.random.default_rng(0).integers(0, 250, (3, HEIGHT, WIDTH), np.uint8))
    image[:, 8:16, 8:24] = image[:, 8:16, 8:24] // 4 + 60
    known = expected(image, magnitude)
    assert len({name.split()[0] for name in known}) == OPERATIONS
    options = {"name": "rand_augment", "operations_each": 1, "magnitude": magnitude}
    results = augmented(options, image.expand(500, -1, -1, -1).contiguous())
    far = torch.stack([(results - each).abs().flatten(1).amax(dim=1) for each in known.values()], dim=1)
    assert far.amin(dim=1).max() < 0.05
    assert set(far.argmin(dim=1).tolist()) == set(range(len(known)))
