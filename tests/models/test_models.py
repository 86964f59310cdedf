"""Every model on every kind of input that it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from clfkit.components import backbones, models
from clfkit.data.bundle import ClassMap, DataSpec
from clfkit.engines.pytorch.building import as_module
from clfkit.errors import ModelError
from clfkit.models.activations import activation, tanh_elementary
from clfkit.models.trial import shape_of_outputs


def make_spec(*shape: int, classes: int = 3) -> DataSpec:
    return DataSpec(
        inputs="image" if len(shape) == 3 else "vector", shape=shape, mean=(0.0,) * shape[0], std=(1.0,) * shape[0],
        classes=ClassMap(names=tuple(map(str, range(classes)))),
    )  # fmt: skip


def build(name: str, spec: DataSpec, outputs: int = 3, **options: Any) -> nn.Module:
    return as_module(models.build(models.parse({"name": name, **options}), spec, outputs), seed=0)


def check(model: nn.Module, spec: DataSpec, outputs: int = 3) -> None:
    """Logits of the right shape in both modes, and a gradient for every parameter."""
    batch = torch.rand(4, *spec.shape)
    logits = model.train()(batch)
    assert logits.shape == (4, outputs)
    (logits**2).sum().backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    with torch.no_grad():
        assert model.eval()(batch[:1]).shape == (1, outputs)
        assert torch.isfinite(model(batch)).all()


@pytest.mark.parametrize("outputs", [1, 3, 10])
@pytest.mark.parametrize("shape", [(1,), (7,), (1, 5, 4), (3, 8, 8)])
@pytest.mark.parametrize("name", ["logistic", "mlp"])
def test_dense_models_take_any_shape(name: str, shape: tuple[int, ...], outputs: int) -> None:
    check(build(name, make_spec(*shape), outputs), make_spec(*shape), outputs)


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("hidden", [(), (5,), (8, 4, 2)])
def test_mlp_has_the_layers_asked_for(hidden: tuple[int, ...], norm: str) -> None:
    spec = make_spec(6)
    model = build("mlp", spec, hidden=hidden, norm=norm, dropout=0.25)
    widths = [(layer.in_features, layer.out_features) for layer in model if isinstance(layer, nn.Linear)]
    assert widths == list(zip((6, *hidden), (*hidden, 3), strict=True))
    assert sum(isinstance(layer, nn.Dropout) and layer.p == 0.25 for layer in model) == len(hidden)
    kind = {"none": (), "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}[norm]
    assert sum(isinstance(layer, kind) for layer in model) == (len(hidden) if norm != "none" else 0)
    check(model, spec)


def test_mlp_without_hidden_layers_is_logistic_regression() -> None:
    flat, plain = build("mlp", make_spec(4), hidden=()), build("logistic", make_spec(4))
    flat.load_state_dict(plain.state_dict())
    x = torch.rand(5, 4)
    assert_array_equal(flat(x).detach().numpy(), plain(x).detach().numpy())


SIDES = [(1, 1), (1, 9), (2, 2), (3, 7), (7, 5), (8, 8), (28, 28), (33, 64), (64, 64)]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_cnn_takes_images_of_any_size(side: tuple[int, int], channels: int, batch_norm: bool) -> None:
    spec = make_spec(channels, *side)
    check(build("cnn", spec, channels=(2, 3, 4, 5), dense=(6,), batch_norm=batch_norm), spec)


@pytest.mark.parametrize("depth", [1, 2, 7])
def test_cnn_is_as_deep_as_its_channels(depth: int) -> None:
    spec = make_spec(1, 16, 16)
    model = build("cnn", spec, channels=(2,) * depth, dense=(5, 4), dropout=0.5)
    assert sum(isinstance(layer, nn.Conv2d) for layer in model) == depth
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in model) == min(depth, 4)
    assert sum(isinstance(layer, nn.Linear) for layer in model) == 3
    assert sum(isinstance(layer, nn.Dropout) for layer in model) == 2
    check(model, spec)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("pooling", "cells"), [("average", 1), ("max", 1), ("average", 3), ("max", 3), ("gem", 2)])
def test_custom_head_takes_images_of_any_size_with_maps_of_no_fewer_pixels_than_cells(
    side: tuple[int, int], pooling: str, cells: int
) -> None:
    spec = make_spec(1, *side)
    options = {"backbone": {"name": "conv", "channels": (2, 3, 4)}, "hidden": (5,), "norm": "layer"}
    halved = min(2, min(side).bit_length() - 1)
    height, width = (pixels >> halved for pixels in side)
    if cells <= min(height, width):
        check(build("custom_head", spec, pooling=pooling, cells=cells, **options), spec)
    else:
        with pytest.raises(ModelError, match=rf"model\.cells: {cells} .* too many for .* {height} × {width}; at most "):
            build("custom_head", spec, pooling=pooling, cells=cells, **options)


@pytest.mark.parametrize(("neck", "kind"), [("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)])
def test_the_neck_normalises_pooled_features_before_dropout_and_head(neck: str, kind: type[nn.Module]) -> None:
    spec = make_spec(1, 16, 16)
    options = {"backbone": {"name": "conv", "channels": (2, 3)}, "cells": 2, "dropout": 0.1}
    model = build("custom_head", spec, neck=neck, **options)
    assert [type(layer) for layer in model.head[1:]] == [nn.Flatten, kind, nn.Dropout, nn.Linear]
    check(model, spec)
    features = model.train().head[:3](model.backbone(torch.rand(64, 1, 16, 16)))
    axis = 0 if neck == "batch" else 1
    np.testing.assert_allclose(features.mean(axis).detach().numpy(), 0, atol=1e-5)
    plain = build("custom_head", spec, **options)
    assert [type(layer) for layer in plain.head[1:]] == [nn.Flatten, nn.Dropout, nn.Linear]


@pytest.mark.parametrize("kind", ["conv", "resnet18", "mobilenet_v3_small"])
def test_frozen_backbone_stays_as_it_was(kind: str) -> None:
    """Weights and batch-norm statistics alike; the head learns."""
    spec = make_spec(1, 32, 32)
    model = build("custom_head", spec, backbone={"name": kind}, freeze=True, dropout=0.0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    learnable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learnable, 0.1)
    for _ in range(2):
        model.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.rand(4, 1, 32, 32)), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if name.startswith("head")}
    assert sum(p.numel() for p in learnable) == sum(before[name].numel() for name in changed)


def test_backbone_that_is_not_frozen_learns_and_keeps_statistics() -> None:
    spec = make_spec(1, 8, 8)
    model = build("custom_head", spec, backbone={"name": "conv", "channels": (2, 3)})
    assert_array_equal(model.state_dict()["backbone.1.running_mean"].numpy(), np.zeros(2))  # the probe left no trace
    check(model, spec)
    assert model.state_dict()["backbone.1.num_batches_tracked"] == 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_torchvision_backbones_take_grey_and_colour(name: str, channels: int) -> None:
    spec = make_spec(channels, 32, 32)
    check(build("custom_head", spec, backbone={"name": name}), spec)


def test_grey_images_are_shown_to_all_colours() -> None:
    network = backbones.build(backbones.parse("resnet18"), make_spec(1, 32, 32)).eval()
    grey = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        assert_array_equal(network(grey).numpy(), network(grey.repeat(1, 3, 1, 1)).numpy())


# Activations


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu", "tanh", "sigmoid", "silu"])
def test_activations_are_torchs(name: Any) -> None:
    x = torch.linspace(-4, 4, 33)
    assert_array_equal(activation(name)(x).numpy(), getattr(nn.functional, name)(x).numpy())


def test_elementary_tanh_has_the_value_and_gradient_of_tanh() -> None:
    extremes = [0.0, -0.0, 1e-300, -1e-300, 1e-12, 1e-5, 0.5, -3.0, 9.0, 18.9, -19.1, 20.0, 20.1, 50.0, -800.0, 1e300]
    x = torch.cat([torch.linspace(-22, 22, 4001, dtype=torch.float64), torch.tensor(extremes, dtype=torch.float64)])
    mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    ours, peer = tanh_elementary(mine), torch.tanh(theirs)
    assert_allclose(ours.detach().numpy(), peer.detach().numpy(), rtol=4e-16, atol=0)
    ours.sum().backward()
    peer.sum().backward()
    assert mine.grad is not None and theirs.grad is not None
    assert torch.isfinite(mine.grad).all()
    assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=1e-12, atol=5e-16)  # torch's 1 - y² is no finer
    assert mine.grad[x == 0].tolist() == [1.0] * int((x == 0).sum())


def test_elementary_tanh_passes_a_numerical_gradient_check() -> None:
    x = torch.tensor([-2.0, -0.1, 0.0, 0.3, 1.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(tanh_elementary, x)


def test_elementary_tanh_is_finite_in_single_precision() -> None:
    x = torch.tensor([-1e30, -100.0, 0.0, 1e-30, 100.0, 1e30], requires_grad=True)
    y = activation("tanh_elementary")(x)
    y.sum().backward()
    assert_allclose(y.detach().numpy(), torch.tanh(x).detach().numpy(), rtol=1e-6)
    assert x.grad is not None and torch.isfinite(x.grad).all()


# Trials


def test_a_trial_leaves_modes_statistics_and_weights_as_they_were() -> None:
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert shape_of_outputs(network, make_spec(3)) == (2, 2)
    assert [module.training for module in network.modules()] == [True, True, False, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_backbone_that_cannot_take_the_images_is_named() -> None:
    with pytest.raises(ModelError, match=r"backbone 'squeezenet1_1' on inputs of shape \(1, 8, 8\): .*too small"):
        build("custom_head", make_spec(1, 8, 8), backbone={"name": "squeezenet1_1"})
    with pytest.raises(ModelError, match=r"backbone 'resnet18' on inputs of shape \(2, 8, 8\)"):
        build("custom_head", make_spec(2, 8, 8), backbone={"name": "resnet18"})


def test_backbone_that_makes_no_maps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "build", lambda *_: nn.Flatten())
    with pytest.raises(ModelError, match=r"backbone 'conv' must return feature maps \(N, F, h, w\), not \(2, 64\)"):
        build("custom_head", make_spec(1, 8, 8))
