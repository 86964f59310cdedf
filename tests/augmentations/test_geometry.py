"""Geometric augmentations against torchvision, alone and joined."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import ValidationError

from clfkit import rng
from clfkit.augmentations import Augmenter
from clfkit.augmentations._geometry import resample
from clfkit.augmentations.affine import inverse_affine
from clfkit.components import augmentations
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.engines.pytorch.feed import Normalizer
from clfkit.vision import torchvision

SPEC = DataSpec(
    inputs="image", shape=(3, 12, 16), classes=ClassMap(names=("a", "b")), mean=(100.0,) * 3, std=(50.0,) * 3
)
LISTS = [
    [{"name": "affine", "degrees": 30.0, "shear": 10.0, "fill": 255, "probability": 0.7}],
    ["flip"],
    ["perspective"],
    ["random_resized_crop"],
    ["flip", {"name": "affine", "fill": 9}, "random_resized_crop"],
    [{"name": "elastic", "fill": 255, "probability": 0.6}],
    [{"name": "affine", "fill": 9}, {"name": "perspective", "fill": 9}, {"name": "elastic", "fill": 9}, "flip"],
]


def images_of(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, *SPEC.shape)).astype(np.uint8))


def augmented(chosen: list[Any], images: torch.Tensor, samples: npt.NDArray[np.int64], key: int = 1) -> torch.Tensor:
    found: torch.Tensor = Augmenter([augmentations.parse(each) for each in chosen], SPEC, "torch")(images, key, samples)
    return found


@pytest.mark.parametrize("fill", [0, 200])
def test_affine_is_torchvisions(fill: int) -> None:
    torchvision()
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional

    image = images_of(1)
    numbers = (25.0, 2.5, -1.5, 1.2, 8.0, -4.0)
    matrix = inverse_affine(*(np.array([number]) for number in numbers))
    degrees, right, down, scale, slant_x, slant_y = numbers

    def peer(pixels: torch.Tensor) -> torch.Tensor:  # without its fill, which counts twice at the edge of the frame
        moves = degrees, [right, down], scale, [slant_x, slant_y]
        moved: torch.Tensor = functional.affine(pixels, *moves, InterpolationMode.BILINEAR)
        return moved

    inside = peer(torch.ones(image.shape))
    expected = peer(image.float()) + fill * (1 - inside)
    assert torch.allclose(resample(image, matrix, fill), expected, atol=1e-2)


@pytest.mark.parametrize("chosen", LISTS)
def test_picture_depends_on_epoch_and_index_alone(chosen: list[Any]) -> None:
    images = images_of(20)
    whole = augmented(chosen, images, np.arange(20)).float()
    part = np.array([13, 2, 7])
    assert torch.equal(augmented(chosen, images[part], part).float(), whole[part])
    assert torch.equal(augmented(chosen, images[:1], np.array([0])).float(), whole[:1])
    assert not torch.equal(augmented(chosen, images, np.arange(20), key=2).float(), whole)
    assert torch.equal(images, images_of(20)), "never in place"
    assert whole.min() > -1e-3 and whole.max() < 255.001


def test_large_batch_is_what_its_parts_are() -> None:
    """Its result lies in memory of its own kind, beyond 8 MB."""
    images = images_of(4000)
    whole = augmented(["random_resized_crop"], images, np.arange(4000))
    assert whole.nbytes > 1 << 23
    parts = [augmented(["random_resized_crop"], images[at], at) for at in np.array_split(np.arange(4000), 3)]
    assert torch.equal(whole, torch.cat(parts))
    assert whole.add_(1).min() > 0.9, "it can be written to"


def test_memory_of_a_large_result_is_taken_again_when_nobody_holds_it() -> None:
    images, crop = images_of(4000), ["random_resized_crop"]
    held = augmented(crop, images, np.arange(4000))
    kept = held.clone()
    places = set()
    for key in range(2, 6):
        part = augmented(crop, images, np.arange(4000), key)[:, 0]  # a view holds it too
        assert not torch.equal(part, kept[:, 0])
        places.add(part.data_ptr())
    assert len(places) <= 2 and held.data_ptr() not in places
    assert torch.equal(held, kept)
    larger = augmented(crop, images_of(4200), np.arange(4200))
    assert torch.equal(larger[:4000], kept), "whatever lay there before"


@pytest.mark.parametrize(
    "chosen",
    [
        [{"name": "affine", "probability": 0.0}],
        [{"name": "affine", "degrees": 0.0, "translate": 0.0, "scale": (1.0, 1.0)}],
        [{"name": "flip", "horizontal": 0.0}, {"name": "affine", "probability": 0.0}],
        [{"name": "flip", "horizontal": 0.0}],
        [{"name": "elastic", "probability": 0.0}],
        [{"name": "elastic", "reach": 0.0}],
    ],
)
def test_options_that_change_nothing_change_no_bit(chosen: list[Any]) -> None:
    images = images_of(5)
    found = augmented(chosen, images, np.arange(5))
    assert found.dtype == torch.uint8 and torch.equal(found, images)


def test_flips_alone_are_exact_and_joined_close() -> None:
    images, samples = images_of(30), np.arange(30)
    both = [{"name": "flip", "vertical": 0.5}]
    drawn = rng.Streams(rng.key(1, "augmentation", 0), samples).uniform(2) < 0.5
    found = augmented(both, images, samples)
    for image, result, (left, up) in zip(images, found, drawn, strict=True):
        expected = image.flip(2) if left else image
        assert torch.equal(result, expected.flip(1) if up else expected)
    joined = augmented([*both, {"name": "affine", "probability": 0.0}], images, samples)
    assert torch.allclose(joined.float(), found.float(), atol=0.02)


def ramps() -> torch.Tensor:
    """An image (1, 3, H, W) that tells where its pixels were looked up: 10 a pixel to the right, 10 a pixel down."""
    height, width = SPEC.shape[1:]
    y, x = torch.meshgrid(10.0 * torch.arange(height), 10.0 * torch.arange(width), indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)])[None]


def test_affine_and_elastic_are_one_map() -> None:
    """Joined, a place is looked up at the matrix of where the field bends it."""
    affine = {"name": "affine", "degrees": 20.0, "scale": (0.8, 0.9), "translate": 0.0}
    samples = np.arange(4)
    image = ramps().expand(4, -1, -1, -1)
    matrices = augmentations.build(augmentations.parse(affine), SPEC, engine="torch").matrices(
        rng.Streams(rng.key(1, "augmentation", 0), samples)
    )
    bend = augmentations.build(augmentations.parse({"name": "elastic", "reach": 0.05}), SPEC, engine="torch")
    draws = rng.Streams(rng.key(1, "augmentation", 1), samples)
    field = torch.from_numpy(bend.offsets(draws)).float()
    height, width = SPEC.shape[1:]
    field = torch.nn.functional.interpolate(field, (height, width), mode="bicubic", align_corners=True).double()
    y, x = torch.meshgrid(torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2, indexing="ij")
    places = torch.stack([x + field[:, 0], y + field[:, 1], torch.ones_like(field[:, 0])], dim=-1)
    seen = torch.einsum("nij,nhwj->nhwi", torch.from_numpy(matrices), places)
    seen = seen[..., :2] + torch.tensor([(width - 1) / 2, (height - 1) / 2])
    found = augmented([affine, {"name": "elastic", "reach": 0.05}], image, samples)
    inside = ((seen >= 0) & (seen <= torch.tensor([width - 1, height - 1]))).all(dim=-1)
    assert inside.float().mean() > 0.5
    assert torch.allclose(found[:, :2].permute(0, 2, 3, 1)[inside] / 10, seen[inside].float(), atol=1e-3)


def test_fills_that_differ_are_not_joined() -> None:
    members = [{"name": "affine", "translate": 0.5, "fill": fill} for fill in (0, 255)]
    images, samples = images_of(6), np.arange(6)
    once = augmented(members[:1], images, samples)
    streams = rng.Streams(rng.key(1, "augmentation", 1), samples)
    second = augmentations.build(augmentations.parse(members[1]), SPEC, engine="torch")
    assert torch.equal(augmented(members, images, samples), second(once, streams))


def test_float_pixels_are_normalised_as_bytes_are() -> None:
    normalize, images = Normalizer(SPEC, torch.device("cpu")), images_of(4)
    floats = images.float()
    assert torch.equal(normalize(floats), normalize(images))
    assert torch.equal(floats, images.float()), "never in place"


def test_ranges_the_wrong_way_round_are_refused() -> None:
    for wrong in ({"name": "affine", "scale": (1.2, 0.8)}, {"name": "random_resized_crop", "scale": (0.9, 0.1)}):
        with pytest.raises(ValidationError, match=r"must be \[smallest, largest\]"):
            augmentations.parse(wrong)
