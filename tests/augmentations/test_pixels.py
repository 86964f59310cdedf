"""Augmentations of values and of rectangles against torchvision, each image by an amount of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import ValidationError

from clfkit import rng
from clfkit.augmentations import Augmenter
from clfkit.augmentations._colour import (
    brightened,
    contrasted,
    equalised,
    greys,
    posterised,
    saturated,
    sharpened,
    solarised,
    stretched,
    turned,
)
from clfkit.augmentations._geometry import resample
from clfkit.augmentations.perspective import inverse_perspective
from clfkit.components import augmentations
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.vision import torchvision


def peer(name: str) -> Callable[..., torch.Tensor]:
    """A function of torchvision.transforms.v2.functional."""
    torchvision()
    from torchvision.transforms.v2 import functional

    found: Callable[..., torch.Tensor] = getattr(functional, name)
    return found


def spec_of(channels: int) -> DataSpec:
    return DataSpec(
        inputs="image", shape=(channels, 12, 16), classes=ClassMap(names=("a", "b")), mean=(100.0,) * channels,
        std=(50.0,) * channels,
    )  # fmt: skip


def images_of(count: int, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, channels, 12, 16)).astype(np.uint8))


def augmented(
    chosen: Any, images: torch.Tensor, samples: npt.NDArray[np.int64] | None = None, key: int = 1
) -> torch.Tensor:
    augment = Augmenter([augmentations.parse(chosen)], spec_of(images.shape[1]), "torch")
    found: torch.Tensor = augment(images, key, np.arange(len(images)) if samples is None else samples)
    return found


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("mine", "name", "low", "high"),
    [
        (brightened, "adjust_brightness", 0.0, 3.0),
        (contrasted, "adjust_contrast", 0.0, 3.0),
        (saturated, "adjust_saturation", 0.0, 3.0),
        (turned, "adjust_hue", -0.5, 0.5),
        (sharpened, "adjust_sharpness", 0.0, 3.0),
    ],
)
def test_colours_are_torchvisions(
    mine: Callable[..., torch.Tensor], name: str, low: float, high: float, channels: int
) -> None:
    images, amounts = images_of(9, channels).float(), torch.linspace(low, high, 9)
    images[0] = images[0, :1]  # a grey picture, and grey pixels
    expected = [255 * peer(name)(image / 255, float(amount)) for image, amount in zip(images, amounts, strict=True)]
    assert torch.allclose(mine(images.clone(), amounts), torch.stack(expected), atol=5e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_tones_are_torchvisions(channels: int) -> None:
    images = images_of(6, channels)
    images[0], images[1] = 99, images[1] // 3 + 50
    images[2, :, 0] = 255
    floats = images.float()
    assert torch.equal(equalised(floats), peer("equalize")(images).float())
    assert torch.equal(posterised(floats, torch.arange(6.0)), torch.stack(
        [peer("posterize")(image, 8 - bits) for bits, image in enumerate(images)]).float())  # fmt: skip
    assert torch.equal(solarised(floats, torch.arange(6.0) * 50), torch.stack(
        [peer("solarize")(image, 50.0 * index) for index, image in enumerate(images)]).float())  # fmt: skip
    assert torch.allclose(stretched(floats), 255 * peer("autocontrast")(floats / 255), atol=1e-2)


def test_operations_of_strength_0_change_little() -> None:
    weak = augmented({"name": "rand_augment", "magnitude": 0.0, "operations_each": 1}, images_of(2600))
    changed = (weak != images_of(2600).float()).flatten(1).any(dim=1).float().mean()
    assert 0.05 < changed < 0.25, "stretched and equalised ones, and negatives where a pixel is 255: 3 of 14"


def test_greyscale_is_torchvisions() -> None:
    images = images_of(40)
    found = augmented({"name": "greyscale", "probability": 0.5}, images)
    expected = peer("rgb_to_grayscale")(images.float(), num_output_channels=3)
    grey = torch.from_numpy(rng.Streams(rng.key(1, "augmentation", 0), np.arange(40)).uniform(1)[:, 0] < 0.5)
    assert 5 < grey.sum() < 35
    assert torch.allclose(found[grey], expected[grey], atol=1e-3)
    assert torch.equal(found[~grey], images[~grey].float())
    assert torch.equal(greys(images_of(2, 1).float()), images_of(2, 1).float())


def test_blur_is_torchvisions() -> None:
    images = images_of(12)
    found = augmented({"name": "blur", "sigma": (0.5, 2.0), "probability": 1.0}, images)
    widths = 0.5 + 1.5 * rng.Streams(rng.key(1, "augmentation", 0), np.arange(12)).uniform(2)[:, 0]
    for image, result, sigma in zip(images, found, widths, strict=True):
        assert torch.allclose(result, peer("gaussian_blur")(image.float(), [13, 13], [float(sigma)] * 2), atol=1e-3)


def test_blur_of_tiny_images_is_cut_to_them() -> None:
    flat = torch.full((2, 3, 12, 16), 77, dtype=torch.uint8)
    found = augmented({"name": "blur", "sigma": (9.0, 90.0), "probability": 1.0}, flat)
    assert torch.allclose(found, flat.float(), atol=1e-3)


def test_erase_covers_a_rectangle_and_nothing_else() -> None:
    images = images_of(400).clamp(max=254)
    found = augmented({"name": "erase", "fill": 255, "scale": (0.1, 0.4), "probability": 0.7}, images)
    assert found.dtype == torch.uint8
    covered = (found == 255).all(dim=1)
    assert torch.equal(torch.where(covered[:, None], images, found), images)
    areas = covered.double().mean(dim=(1, 2))
    assert 0.6 < (areas > 0).double().mean() < 0.8
    for one in covered[areas > 0]:
        rows, columns = one.any(dim=1), one.any(dim=0)
        assert torch.equal(one, rows[:, None] & columns[None, :])
        for line in (rows, columns):
            assert (torch.diff(torch.nonzero(line)[:, 0]) == 1).all(), "without gaps"
    assert covered[:, 0, 0].any() and covered[:, -1, -1].any(), "up to the edges"
    assert 0.2 < areas[areas > 0].mean() < 0.3


def test_perspective_is_torchvisions() -> None:
    before = [[0, 0], [15, 0], [15, 11], [0, 11]]
    after = [[2, 1], [14, 3], [11, 9], [3, 10]]
    matrix = inverse_perspective(np.array([before], float), np.array([after], float), np.array([8.0, 6.0]))
    image = images_of(1)
    expected = peer("perspective")(image.float(), before, after)
    inside = peer("perspective")(torch.ones(1, 3, 12, 16), before, after)
    solid = inside == 1  # at its edge torchvision lets the fill count twice
    assert torch.allclose(resample(image, matrix, 0)[solid], expected[solid], atol=1e-2)
    assert solid.sum() > 150


LISTS = [
    "colour_jitter",
    {"name": "colour_jitter", "hue": 0.0, "probability": 0.5},
    {"name": "greyscale", "probability": 0.5},
    {"name": "blur", "probability": 0.6},
    "erase",
    "perspective",
    "rand_augment",
    "trivial_augment",
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("chosen", LISTS, ids=str)
def test_picture_depends_on_epoch_and_index_alone(chosen: Any, channels: int) -> None:
    images = images_of(20, channels)
    whole = augmented(chosen, images).float()
    part = np.array([13, 2, 7])
    assert torch.equal(augmented(chosen, images[part], part).float(), whole[part])
    assert torch.equal(augmented(chosen, images[:1], np.array([0])).float(), whole[:1])
    if channels == 3:
        assert not torch.equal(augmented(chosen, images, key=2).float(), whole)
    assert torch.equal(images, images_of(20, channels)), "never in place"
    assert whole.min() > -1e-3 and whole.max() < 255.001


@pytest.mark.parametrize("name", ["colour_jitter", "greyscale", "blur", "erase", "perspective"])
def test_probability_0_changes_no_bit(name: str) -> None:
    found = augmented({"name": name, "probability": 0.0}, images_of(5))
    assert found.dtype == torch.uint8 and torch.equal(found, images_of(5))


def test_ranges_the_wrong_way_round_are_refused() -> None:
    for wrong in ({"name": "blur", "sigma": (2.0, 1.0)}, {"name": "erase", "ratio": (2.0, 0.5)}):
        with pytest.raises(ValidationError, match=r"must be \[smallest, largest\]"):
            augmented(wrong, images_of(1))
