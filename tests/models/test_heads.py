"""Pooling and classifiers of a custom head against their formulas."""

from __future__ import annotations

import pytest
import torch
from numpy.testing import assert_allclose

from clfkit.models.heads import Pooling, cosine_classifier, pooling_layer


@pytest.mark.parametrize("power", [1.0, 3.0, 7.5])
def test_generalised_mean_is_its_formula_with_its_gradients(power: float) -> None:
    maps = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    layer = pooling_layer("gem").double()
    layer.power.data.fill_(power)
    exponent = torch.tensor([power], dtype=torch.float64, requires_grad=True)
    expected = maps.pow(exponent).mean((2, 3), keepdim=True).pow(1 / exponent)
    pooled = layer(maps)
    torch.testing.assert_close(pooled, expected)
    mine = torch.autograd.grad((pooled**2).sum(), [maps, layer.power])
    torch.testing.assert_close(mine, torch.autograd.grad((expected**2).sum(), [maps, exponent]))


def test_generalised_mean_lies_between_average_and_maximum() -> None:
    maps = torch.rand(4, 6, 5, 5)
    layer = pooling_layer("gem")
    assert layer.power.item() == 3
    average, largest = pooling_layer("average")(maps), pooling_layer("max")(maps)
    assert ((average < layer(maps)) & (layer(maps) < largest)).all()
    layer.power.data.fill_(1.0)
    assert_allclose(layer(maps).detach(), average, rtol=1e-5)
    layer.power.data.fill_(1000.0)
    assert_allclose(layer(maps).detach(), largest, rtol=0.01)


@pytest.mark.parametrize("kind", ["average", "max", "gem"])
def test_each_cell_of_a_map_is_pooled_by_itself(kind: Pooling) -> None:
    maps = torch.rand(2, 3, 6, 9)
    maps[0, 0, :3, :3] = 0.0  # beside larger numbers in the same map
    maps[0, 1, :2] = 1e-30
    maps.requires_grad_()
    pooled = pooling_layer(kind, 3)(maps)
    assert pooled.shape == (2, 3, 3, 3)
    for row in range(3):
        for column in range(3):
            cell = maps[:, :, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
            torch.testing.assert_close(pooled[:, :, row, column], pooling_layer(kind)(cell)[:, :, 0, 0])
    pooled.sum().backward()
    assert maps.grad is not None and torch.isfinite(maps.grad).all()


@pytest.mark.parametrize("kind", ["average", "max"])
@pytest.mark.parametrize(("cells", "size"), [(2, (7, 5)), (3, (7, 9)), (4, (4, 7)), (1, (3, 5)), (5, (6, 5))])
def test_cells_are_those_of_torchs_adaptive_pooling(kind: Pooling, cells: int, size: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    torchs = torch.nn.AdaptiveAvgPool2d(cells) if kind == "average" else torch.nn.AdaptiveMaxPool2d(cells)
    ours, theirs = pooling_layer(kind, cells)(maps), torchs(maps)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    gradients = [torch.autograd.grad((pooled**2).sum(), maps)[0] for pooled in (ours, theirs)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("number", [0.0, -3.0, 1e-30, 1e20])
def test_generalised_mean_has_numbers_and_gradients_everywhere(number: float) -> None:
    maps = torch.full((1, 2, 3, 3), number, requires_grad=True)
    layer = pooling_layer("gem")
    pooled = layer(maps)
    pooled.sum().backward()
    assert_allclose(pooled.detach(), max(number, 1e-6), rtol=1e-5)
    assert maps.grad is not None and torch.isfinite(maps.grad).all()
    assert torch.isfinite(layer.power.grad).all()


def test_logits_are_scaled_cosines() -> None:
    features = torch.randn(5, 7)
    layer = cosine_classifier(7, 3)
    cosines = torch.nn.functional.cosine_similarity(features[:, None], layer.weight[None], dim=2)
    torch.testing.assert_close(layer(features), 10 * cosines)
    torch.testing.assert_close(layer(features * 9), layer(features))
    layer.scale.data.fill_(4.0)
    torch.testing.assert_close(layer(features), 4 * cosines)
    layer.weight.data[1] *= 100
    torch.testing.assert_close(layer(features), 4 * cosines)
    assert {name for name, _ in layer.named_parameters()} == {"weight", "scale"}
