"""Samples of any number are normalised by one formula, at once or in pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.engines.pytorch.feed import PIECE_NUMBERS, Normalizer

CPU = torch.device("cpu")
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def normalizer(*shape: int, layout: torch.memory_format = torch.contiguous_format) -> Normalizer:
    channels = shape[0]
    mean, std = tuple(100.0 + 3 * each for each in range(channels)), tuple(50.0 + each for each in range(channels))
    spec = DataSpec(inputs="image", shape=shape, classes=ClassMap(names=("a", "b")), mean=mean, std=std)
    return Normalizer(spec, CPU, layout=layout)


def images_of(count: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("shape", [(3, 12, 16), (1, 28, 28), (3, 500, 400)], ids=str)
def test_a_large_batch_is_normalised_as_its_images_are(
    shape: tuple[int, int, int], layout: torch.memory_format
) -> None:
    normalize, images = normalizer(*shape, layout=layout), images_of(1_500_000 // int(np.prod(shape)), *shape)
    assert images.numel() > 2 * PIECE_NUMBERS["cpu"]
    found = normalize(images)
    assert found.is_contiguous(memory_format=layout)
    assert torch.equal(found, normalize.standardized(images))
    assert torch.equal(found, torch.cat([normalize(image[None]) for image in images]))
    floats = images.float()
    assert torch.equal(normalize(floats), found)
    assert torch.equal(floats, images.float()), "never in place"


def test_a_program_takes_few_images_and_many() -> None:
    """What is exported knows nothing of pieces."""

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.normalize = normalizer(3, 64, 64)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.normalize.standardized(images)

    whole = Whole()
    batch = {"images": {0: torch.export.Dim("batch")}}
    program = torch.export.export(whole, (images_of(2, 3, 64, 64),), dynamic_shapes=batch).module()
    for count in (1, 7, 100):
        assert torch.equal(program(some := images_of(count, 3, 64, 64)), whole.normalize(some))
