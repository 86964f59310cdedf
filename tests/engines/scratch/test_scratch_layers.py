"""Every layer of the NumPy engine against finite differences and against torch, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from finite_differences import assert_gradients
from numpy.testing import assert_allclose, assert_array_equal
from plain_torch import module_of, samples_first, samples_last

from clfkit.engines.scratch.layers import Layer
from clfkit.engines.scratch.layers.softmax import Softmax
from clfkit.engines.scratch.memory import Array, Memory
from clfkit.engines.scratch.network import ACTIVATIONS, LAYERS
from clfkit.models import plan

Samples = Callable[[tuple[int, ...]], Array]


def normal(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(1).normal(size=shape)


def off_zero(shape: tuple[int, ...]) -> Array:
    """Numbers from 0.1 to 2 of either sign: no step of a difference quotient crosses a kink at 0."""
    rng = np.random.default_rng(2)
    signs: Array = rng.choice([-1.0, 1.0], shape)
    return signs * rng.uniform(0.1, 2, shape)


def distinct(shape: tuple[int, ...]) -> Array:
    """Numbers that are at least 0.1 apart, in random order: which is the largest of a window is clear."""
    return 0.1 * np.random.default_rng(3).permutation(np.prod(shape)).reshape(shape) - 3


def few_values(shape: tuple[int, ...]) -> Array:
    """Numbers of which many are equal."""
    return np.random.default_rng(4).integers(0, 3, shape).astype(float)


CASES: dict[str, tuple[plan.Layer, tuple[int, ...], Samples]] = {
    "dense": (plan.Dense(4, 3), (4, 5), normal),
    "dense, one sample": (plan.Dense(4, 3), (4, 1), normal),
    "dense, one by one": (plan.Dense(1, 1), (1, 3), normal),
    "conv 3": (plan.Conv2D(2, 3), (2, 5, 7, 3), normal),
    "conv 3, one sample": (plan.Conv2D(2, 3), (2, 4, 3, 1), normal),
    "conv 1": (plan.Conv2D(2, 3, size=1, padding=0), (2, 3, 4, 2), normal),
    "conv 3, stride 2": (plan.Conv2D(2, 2, stride=2), (2, 6, 5, 2), normal),
    "conv 3, stride 2, no padding": (plan.Conv2D(1, 2, stride=2, padding=0), (1, 6, 5, 2), normal),
    "conv 2, stride 3": (plan.Conv2D(2, 2, size=2, stride=3, padding=0), (2, 6, 7, 2), normal),
    "conv 5, padding 2": (plan.Conv2D(1, 2, size=5, padding=2), (1, 4, 3, 2), normal),
    "conv 2, padding 2": (plan.Conv2D(1, 2, size=2, padding=2), (1, 2, 3, 2), normal),
    "conv 3 on a pixel": (plan.Conv2D(3, 2), (3, 1, 1, 2), normal),
    "pool 2": (plan.MaxPool2D(2), (2, 4, 6, 3), distinct),
    "pool 2, odd sides": (plan.MaxPool2D(2), (2, 5, 7, 2), distinct),
    "pool 3": (plan.MaxPool2D(3), (1, 7, 5, 2), distinct),
    "batch norm": (plan.BatchNorm(3), (3, 6), normal),
    "batch norm of images": (plan.BatchNorm(2, spatial=True), (2, 3, 4, 3), normal),
    "batch norm of one image": (plan.BatchNorm(2, spatial=True), (2, 3, 4, 1), normal),
    "layer norm": (plan.LayerNorm(5), (5, 4), normal),
    "layer norm, one sample": (plan.LayerNorm(5), (5, 1), normal),
    **{kind: (plan.Activate(kind), (3, 4), off_zero) for kind in ACTIVATIONS},
    **{f"{kind} of images": (plan.Activate(kind), (2, 3, 2, 2), off_zero) for kind in ("relu", "gelu")},
    "flatten": (plan.Flatten(), (2, 3, 2, 4), normal),
}
every_case = pytest.mark.parametrize(("design", "shape", "samples"), CASES.values(), ids=CASES)


def layer_of(design: plan.Layer) -> Layer:
    """A layer with random weights."""
    layer = LAYERS[type(design)](design, Memory(np.float64))
    rng = np.random.default_rng(5)
    layer.bind(
        {name: rng.normal(size=shape) for name, shape in layer.shapes.items()},
        {name: np.full(shape, np.nan) for name, shape in layer.shapes.items()},
    )
    return layer


def seeded() -> np.random.Generator:
    return np.random.default_rng(6)


def derivatives(layer: Layer, x: Array, gradient: Array) -> dict[str, Array]:
    """Copies of the gradients of inputs and weights after one step; the layer may write over the gradient."""
    layer.forward(x, seeded())
    gradient = gradient.copy()
    layer.learn(gradient)
    dx = layer.backward(gradient).copy()
    return {"x": dx, **{name: array.copy() for name, array in layer.gradients.items()}}


def assert_derivatives(layer: Layer, x: Array) -> None:
    """The gradient of a random weighted sum of the outputs."""
    weights = np.random.default_rng(7).normal(size=layer.forward(x, seeded()).shape)
    mine = derivatives(layer, x, weights)
    assert_gradients(lambda: float((weights * layer.forward(x, seeded())).sum()), {"x": x, **layer.weights}, mine)


@every_case
def test_gradients_are_difference_quotients(design: plan.Layer, shape: tuple[int, ...], samples: Samples) -> None:
    assert_derivatives(layer_of(design), samples(shape))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_gradient_of_dropout_with_a_fixed_mask(rate: float) -> None:
    layer = layer_of(plan.Dropout(rate))
    assert_derivatives(layer, normal((4, 9)))
    mask = layer.backward(np.ones((4, 9)))
    assert 0 < np.count_nonzero(mask) < mask.size


@pytest.mark.parametrize("samples", [1, 4])
def test_gradient_of_softmax(samples: int) -> None:
    assert_derivatives(Softmax(Memory(np.float64)), normal((3, samples)))


@every_case
def test_layers_are_those_of_torch(design: plan.Layer, shape: tuple[int, ...], samples: Samples) -> None:
    layer, x = layer_of(design), samples(shape)
    peer = module_of(design).double()
    peer.load_state_dict({**peer.state_dict(), **{name: torch.tensor(w) for name, w in layer.weights.items()}})
    inputs = samples_first(x).requires_grad_()
    outputs = peer(inputs)
    out = layer.forward(x, seeded())
    assert_allclose(out, samples_last(outputs), rtol=1e-12, atol=1e-13)
    gradient = np.random.default_rng(7).normal(size=out.shape)
    outputs.backward(samples_first(gradient))
    mine = derivatives(layer_of(design), x, gradient)
    assert inputs.grad is not None
    theirs = {"x": samples_last(inputs.grad), **{name: p.grad.numpy() for name, p in peer.named_parameters()}}  # type: ignore[union-attr]
    for name, expected in theirs.items():
        assert_allclose(mine[name], expected, rtol=1e-11, atol=1e-12, err_msg=name)
    for name, buffer in peer.named_buffers():
        assert_allclose(layer.statistics[name], buffer.numpy(), rtol=1e-13, err_msg=name)
    assert_allclose(layer.infer(x), samples_last(peer.eval()(inputs)), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(1, 3, 3, 1), (2, 6, 6, 4), (2, 5, 7, 3)])
@pytest.mark.parametrize("samples", [few_values, np.zeros])
@pytest.mark.parametrize("size", [2, 3])
def test_of_equal_pixels_the_first_in_reading_order_gets_the_gradient(
    shape: tuple[int, ...], samples: Any, size: int
) -> None:
    x = samples(shape)
    inputs = samples_first(x).requires_grad_()
    outputs = torch.nn.functional.max_pool2d(inputs, size)
    gradient = np.random.default_rng(7).normal(size=samples_last(outputs).shape)
    torch.autograd.backward(outputs, samples_first(gradient))
    assert inputs.grad is not None
    mine = derivatives(layer_of(plan.MaxPool2D(size)), x, gradient)
    assert_array_equal(mine["x"], samples_last(inputs.grad))


@every_case
def test_a_layer_keeps_its_inputs_and_forgets_earlier_batches(
    design: plan.Layer, shape: tuple[int, ...], samples: Samples
) -> None:
    """Memory is used again for batches of other sizes: what they left there must not show."""
    used = layer_of(design)
    for count in (3, 5, 2, 4, 5):
        x = samples((*shape[:-1], count))
        before = x.copy()
        fresh = layer_of(design)
        out = fresh.forward(x, seeded())
        assert_array_equal(used.forward(x, seeded()), out)
        gradient = np.random.default_rng(count).normal(size=out.shape)
        expected = derivatives(fresh, x, gradient)
        for name, array in derivatives(used, x, gradient).items():
            assert_array_equal(array, expected[name], err_msg=name)
        used.infer(samples((*shape[:-1], 7)))
        assert_array_equal(x, before)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_of_extreme_numbers(kind: plan.Activation) -> None:
    x = np.array([[-1e300, -750.0, -40.0, 0.0, 40.0, 750.0, 1e300]])
    layer = layer_of(plan.Activate(kind))
    inputs = samples_first(x).requires_grad_()
    outputs = module_of(plan.Activate("tanh" if kind == "tanh_elementary" else kind))(inputs)
    with np.errstate(over="ignore"):
        mine = derivatives(layer, x, np.ones_like(x))["x"]
        out = layer.infer(x)
    assert np.isfinite(out).all() and np.isfinite(mine).all()
    assert_allclose(out, samples_last(outputs), rtol=1e-12, atol=1e-12)
    outputs.sum().backward()
    assert inputs.grad is not None
    assert_allclose(mine, samples_last(inputs.grad), rtol=1e-12, atol=1e-12)


def test_softmax_of_extreme_numbers() -> None:
    out = Softmax(Memory(np.float64)).infer(np.array([[1e4, -1e4], [-1e4, -1e4], [0.0, -2e4]]))
    assert_array_equal(out, [[1, 0.5], [0, 0.5], [0, 0]])


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_branches_change_where_the_formula_does(kind: plan.Activation) -> None:
    layer = layer_of(plan.Activate(kind))
    layer.forward(np.array([[-2.0, -1e-9, 1e-9, 3.0]]), seeded())
    branches = layer.branches()
    if kind in ("relu", "leaky_relu"):
        assert branches is not None
        assert_array_equal(branches, [[False, False, True, True]])
    else:
        assert branches is None


def test_branches_of_pooling_are_the_winners() -> None:
    layer = layer_of(plan.MaxPool2D(2))
    layer.forward(np.array([[1.0, 2, 5, 5], [0, 3, 5, 5]]).reshape(1, 2, 4, 1), seeded())
    branches = layer.branches()
    assert branches is not None
    assert_array_equal(branches.ravel(), [3, 0])
